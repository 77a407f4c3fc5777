//! `stats` and what else memcached tells about itself, name by name in the order of memcached 1.6.18.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::dialogue::Visit;
use crate::flow::Transport;

/// Lines of one key listing.
const MAX_LISTED: usize = 1_000;
/// Bytes of the longest answer here: a listing of the longest keys, every byte percent-encoded.
pub(super) const MAX_ANSWER: usize = MAX_LISTED * 1_000;
pub(super) const NO_MEMORY: &str = "SERVER_ERROR out of memory writing stats";
/// Bytes of memory of one slab page.
const PAGE: usize = 1024 * 1024;

/// What the server is, the same for every visitor.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) pid: u64,
    /// Unix time of the start.
    pub(super) started: u64,
}

impl Server {
    /// The version is this one of 1.6, or a later one.
    fn is_since(&self, patch: u32) -> bool {
        self.version.strip_prefix("1.6.").and_then(|own| own.parse().ok()).is_some_and(|own: u32| own >= patch)
    }
}

type Pairs = Vec<(String, String)>;

/// The `stats` command.
pub(super) fn text(words: &[&[u8]], visit: &mut Visit<'_>) {
    if !visit.reply.has_room(MAX_ANSWER) {
        return visit.reply.line(NO_MEMORY);
    }
    match words {
        [b"reset", ..] => {
            reset(visit);
            visit.reply.line("RESET");
        }
        [b"detail", b"on" | b"off", ..] => visit.reply.line("OK"),
        [b"detail", b"dump", ..] => visit.reply.line("END"),
        [b"sizes_enable", ..] => {
            visit.cache.watch_sizes();
            visit.reply.line("STAT sizes_status enabled");
        }
        [b"sizes_disable", ..] => {
            visit.cache.sizes_since = None;
            visit.reply.line("STAT sizes_status disabled");
        }
        [b"detail", ..] => visit.reply.line("CLIENT_ERROR usage: stats detail on|off|dump"),
        [b"cachedump", class, limit, ..] => {
            let number = |word: &[u8]| super::text::unsigned(word).and_then(|number| usize::try_from(number).ok());
            match (number(class), number(limit)) {
                (Some(64..), Some(_)) => visit.reply.line("CLIENT_ERROR Illegal slab id"),
                (Some(class), Some(limit)) => cachedump(class, limit, visit),
                _ => visit.reply.line(super::text::BAD_FORMAT),
            }
        }
        [b"cachedump", ..] => visit.reply.line("CLIENT_ERROR bad command line"),
        _ => match section(words.first().copied().unwrap_or_default(), visit) {
            Some(pairs) => {
                for (name, value) in pairs {
                    visit.reply.line(format!("STAT {name} {value}"));
                }
                visit.reply.line("END");
            }
            None => visit.reply.line("ERROR"),
        },
    }
}

/// One section by its name; the empty name is the general one. `None`: there is no such section.
pub(super) fn section(name: &[u8], visit: &mut Visit<'_>) -> Option<Pairs> {
    let own = |pairs: Vec<(&str, String)>| pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(match name {
        b"" => own(general(visit)),
        b"settings" => own(settings(visit)),
        b"items" => items(visit),
        b"slabs" => slabs(visit),
        b"sizes" => sizes(visit),
        b"conns" => conns(visit),
        b"extstore" => Vec::new(),
        b"reset" => {
            reset(visit);
            Vec::new()
        }
        _ => return None,
    })
}

fn reset(visit: &mut Visit<'_>) {
    let open_connections = visit.cache.counts.open_connections;
    visit.cache.counts = super::counts::Counts { open_connections, ..Default::default() };
}

/// The counters are those of the visitor's own doings; what an idle server's clock moves, moves with the time since the start.
fn general(visit: &mut Visit<'_>) -> Vec<(&'static str, String)> {
    let now = visit.now;
    let uptime = now.saturating_sub(visit.server.started);
    let items = visit.cache.living(now).count();
    let bytes = visit.cache.bytes();
    let counts = &visit.cache.counts;
    // Other visitors of a server on the open Internet: a scanner every half an hour.
    let strangers = uptime / 1_847;
    let open = counts.open_connections.max(1);
    let seconds = |micros_a_second: u64| {
        let micros = uptime.saturating_mul(micros_a_second) + 7_526 + counts.bytes_read / 8;
        format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    };
    let mut stats: Vec<(&str, String)> = Vec::with_capacity(96);
    let mut put = |name: &'static str, value: u64| stats.push((name, value.to_string()));
    put("pid", visit.server.pid);
    put("uptime", uptime);
    put("time", now);
    stats.push(("version", visit.server.version.clone()));
    stats.push(("libevent", "2.1.12-stable".to_owned()));
    stats.push(("pointer_size", "64".to_owned()));
    stats.push(("rusage_user", seconds(61)));
    stats.push(("rusage_system", seconds(83)));
    let mut put = |name: &'static str, value: u64| stats.push((name, value.to_string()));
    put("max_connections", 1_024);
    // Four threads listen on UDP.
    put("curr_connections", open + 4);
    put("total_connections", counts.connections + strangers + 5);
    put("rejected_connections", 0);
    put("connection_structures", open + 5);
    put("response_obj_oom", 0);
    put("response_obj_count", 1);
    put("response_obj_bytes", 16_384 * open.min(4));
    put("read_buf_count", 2 + open.min(6));
    put("read_buf_bytes", 16_384 * (2 + open.min(6)));
    put("read_buf_bytes_free", 0);
    put("read_buf_oom", 0);
    put("reserved_fds", 20);
    put("cmd_get", counts.cmd_get);
    put("cmd_set", counts.cmd_set);
    put("cmd_flush", counts.cmd_flush);
    put("cmd_touch", counts.cmd_touch);
    put("cmd_meta", counts.cmd_meta);
    put("get_hits", counts.get_hits);
    put("get_misses", counts.get_misses);
    put("get_expired", counts.get_expired);
    put("get_flushed", counts.get_flushed);
    put("delete_misses", counts.delete_misses);
    put("delete_hits", counts.delete_hits);
    put("incr_misses", counts.incr_misses);
    put("incr_hits", counts.incr_hits);
    put("decr_misses", counts.decr_misses);
    put("decr_hits", counts.decr_hits);
    put("cas_misses", counts.cas_misses);
    put("cas_hits", counts.cas_hits);
    put("cas_badval", counts.cas_badval);
    put("touch_hits", counts.touch_hits);
    put("touch_misses", counts.touch_misses);
    put("store_too_large", counts.store_too_large);
    put("store_no_memory", counts.store_no_memory);
    put("auth_cmds", 0);
    put("auth_errors", 0);
    put("bytes_read", counts.bytes_read + 15 * strangers);
    put("bytes_written", counts.bytes_written + 1_182 * strangers);
    put("limit_maxbytes", 67_108_864);
    put("accepting_conns", 1);
    for name in ["listen_disabled_num", "time_in_listen_disabled_us"] {
        put(name, 0);
    }
    put("threads", 4);
    put("conn_yields", 0);
    put("hash_power_level", 16);
    put("hash_bytes", 524_288);
    for name in [
        "hash_is_expanding",
        "slab_reassign_rescues",
        "slab_reassign_chunk_rescues",
        "slab_reassign_evictions_nomem",
        "slab_reassign_inline_reclaim",
        "slab_reassign_busy_items",
        "slab_reassign_busy_deletes",
        "slab_reassign_running",
        "slabs_moved",
        "lru_crawler_running",
    ] {
        put(name, 0);
    }
    put("lru_crawler_starts", 1 + uptime / 900);
    put("lru_maintainer_juggles", 39 + uptime);
    for name in [
        "malloc_fails",
        "log_worker_dropped",
        "log_worker_written",
        "log_watcher_skipped",
        "log_watcher_sent",
        "log_watchers",
        "unexpected_napi_ids",
        "round_robin_fallback",
    ] {
        put(name, 0);
    }
    put("bytes", bytes as u64);
    put("curr_items", items as u64);
    put("total_items", counts.total_items);
    for name in ["slab_global_page_pool", "expired_unfetched", "evicted_unfetched", "evicted_active"] {
        put(name, 0);
    }
    put("evictions", counts.evictions);
    put("reclaimed", counts.get_expired);
    for name in [
        "crawler_reclaimed",
        "crawler_items_checked",
        "lrutail_reflocked",
        "moves_to_cold",
        "moves_to_warm",
        "moves_within_lru",
        "direct_reclaims",
        "lru_bumps_dropped",
    ] {
        put(name, 0);
    }
    stats
}

fn settings(visit: &Visit<'_>) -> Vec<(&'static str, String)> {
    const AFTER_VERBOSITY: &str = "evictions on,domain_socket NULL,umask 700,shutdown_command no,growth_factor 1.25,\
        chunk_size 48,num_threads 4,num_threads_per_udp 4,stat_key_prefix :,detail_enabled no,reqs_per_event 20,cas_enabled yes,\
        tcp_backlog 1024,binding_protocol auto-negotiate,auth_enabled_sasl no,auth_enabled_ascii no,item_size_max 1048576,\
        maxconns_fast yes,hashpower_init 0,slab_reassign yes,slab_automove 1,slab_automove_ratio 0.80,slab_automove_window 30,\
        slab_chunk_max 524288,lru_crawler yes,lru_crawler_sleep 100,lru_crawler_tocrawl 0,tail_repair_time 0,flush_enabled yes,\
        dump_enabled yes,hash_algorithm murmur3,lru_maintainer_thread yes,lru_segmented yes,hot_lru_pct 20,warm_lru_pct 40,\
        hot_max_factor 0.20,warm_max_factor 2.00,temp_lru no,temporary_ttl 61,idle_timeout 0,watcher_logbuf_size 262144,\
        worker_logbuf_size 65536,read_buf_mem_limit 0,track_sizes no,inline_ascii_response no,ext_item_size 512,\
        ext_item_age 4294967295,ext_low_ttl 0,ext_recache_rate 2000,ext_wbuf_size 4194304,ext_compact_under 0,ext_drop_under 0,\
        ext_max_sleep 1000000,ext_max_frag 0.80,slab_automove_freeratio 0.010,ext_drop_unread no,ssl_enabled no,\
        ssl_chain_cert (null),ssl_key (null),ssl_verify_mode 0,ssl_keyformat 1,ssl_ciphers NULL,ssl_ca_cert NULL,\
        ssl_wbuf_size 16384,ssl_session_cache no,ssl_kernel_tls no,ssl_min_version tlsv1.2,num_napi_ids (null),\
        memory_file (null)";
    let mut pairs = vec![
        ("maxbytes", "67108864".to_owned()),
        ("maxconns", "1024".to_owned()),
        ("tcpport", "11211".to_owned()),
        ("udpport", "11211".to_owned()),
        ("inter", "0.0.0.0".to_owned()),
        ("verbosity", visit.cache.verbosity.to_string()),
        // memcached's clock is a minute ahead of its uptime.
        ("oldest", visit.cache.oldest.map_or(0, |at| at.saturating_sub(visit.server.started) + 60).to_string()),
    ];
    pairs.extend(AFTER_VERBOSITY.split(',').filter_map(|pair| pair.split_once(' ')).map(|(k, v)| (k, v.to_owned())));
    if visit.server.is_since(22) {
        pairs.push(("client_flags_size", "4".to_owned()));
    }
    pairs
}

/// Number and chunk size of the slab class of an item (growth factor 1.25, chunks of a multiple of eight bytes, the first of 96).
pub(super) fn class_of(size: usize) -> (usize, usize) {
    /// The largest chunk that is followed by one that is not the largest of all (`slab_chunk_max` by the growth factor).
    const LAST_STEP: usize = PAGE / 2 * 4 / 5;
    let (mut class, mut chunk) = (1, 96);
    while chunk < size && chunk < PAGE / 2 {
        class += 1;
        chunk = (chunk * 5 / 4).next_multiple_of(8);
        if chunk >= LAST_STEP {
            chunk = PAGE / 2;
        }
    }
    (class, chunk)
}

/// What a class of slabs holds.
struct Class {
    chunk: usize,
    items: usize,
    bytes: usize,
    /// Unix time of the use longest ago.
    used: u64,
}

fn classes(visit: &mut Visit<'_>) -> BTreeMap<usize, Class> {
    let mut classes = BTreeMap::new();
    for (key, item) in visit.cache.living(visit.now) {
        let size = item.size(key);
        let (number, chunk) = class_of(size);
        let class = classes.entry(number).or_insert(Class { chunk, items: 0, bytes: 0, used: item.accessed });
        class.items += 1;
        class.bytes += size;
        class.used = class.used.min(item.accessed);
    }
    classes
}

fn items(visit: &mut Visit<'_>) -> Pairs {
    const ZEROS_AFTER: &str = "evicted evicted_nonzero evicted_time outofmemory tailrepairs reclaimed expired_unfetched \
        evicted_unfetched evicted_active crawler_reclaimed crawler_items_checked lrutail_reflocked";
    let mut pairs = Pairs::new();
    let (hits, now) = (visit.cache.counts.get_hits, visit.now);
    for (number, class) in classes(visit) {
        let count = class.items as u64;
        let mut put = |name: &str, value: u64| pairs.push((format!("items:{number}:{name}"), value.to_string()));
        put("number", count);
        // A fifth of one page is soon full: the maintainer has moved what is there to the end of the line.
        ["number_hot", "number_warm"].iter().for_each(|name| put(name, 0));
        put("number_cold", count);
        ["age_hot", "age_warm"].iter().for_each(|name| put(name, 0));
        put("age", now.saturating_sub(class.used));
        put("mem_requested", class.bytes as u64);
        ZEROS_AFTER.split_ascii_whitespace().for_each(|name| put(name, 0));
        put("moves_to_cold", count);
        ["moves_to_warm", "moves_within_lru", "direct_reclaims"].iter().for_each(|name| put(name, 0));
        ["hits_to_hot", "hits_to_warm"].iter().for_each(|name| put(name, 0));
        put("hits_to_cold", hits);
        put("hits_to_temp", 0);
    }
    pairs
}

fn slabs(visit: &mut Visit<'_>) -> Pairs {
    let mut pairs = Pairs::new();
    let counts = visit.cache.counts.clone();
    let classes = classes(visit);
    let active = classes.len();
    for (class, Class { chunk, items: count, .. }) in classes {
        let a_page = PAGE / chunk.max(1);
        let total = a_page * count.div_ceil(a_page.max(1));
        let mut put = |name: &str, value: u64| pairs.push((format!("{class}:{name}"), value.to_string()));
        put("chunk_size", chunk as u64);
        put("chunks_per_page", a_page as u64);
        put("total_pages", (total / a_page.max(1)) as u64);
        put("total_chunks", total as u64);
        put("used_chunks", count as u64);
        put("free_chunks", total.saturating_sub(count) as u64);
        put("free_chunks_end", 0);
        put("get_hits", counts.get_hits);
        put("cmd_set", counts.cmd_set);
        put("delete_hits", counts.delete_hits);
        put("incr_hits", counts.incr_hits);
        put("decr_hits", counts.decr_hits);
        put("cas_hits", counts.cas_hits);
        put("cas_badval", counts.cas_badval);
        put("touch_hits", counts.touch_hits);
    }
    pairs.push(("active_slabs".to_owned(), active.to_string()));
    pairs.push(("total_malloced".to_owned(), (active * PAGE).to_string()));
    pairs
}

fn conns(visit: &Visit<'_>) -> Pairs {
    let mut pairs = Pairs::new();
    let session = visit.session;
    let address = |of: SocketAddr| format!("{}:{of}", if of.is_ipv4() { "tcp" } else { "tcp6" });
    // The last stranger came so long ago.
    let quiet = (visit.now.saturating_sub(visit.server.started) % 1_847).to_string();
    let mut put = |number: u64, name: &str, value: &str| pairs.push((format!("{number}:{name}"), value.to_owned()));
    put(22, "addr", "tcp:0.0.0.0:11211");
    put(22, "state", "conn_listening");
    put(22, "secs_since_last_cmd", &quiet);
    for number in 23..27 {
        put(number, "UDP", "UDP");
        put(number, "addr", "udp:0.0.0.0:11211");
        put(number, "state", "conn_read");
        put(number, "secs_since_last_cmd", &quiet);
    }
    if session.transport == Transport::Tcp {
        put(27, "addr", &address(session.client));
        put(27, "listen_addr", &address(session.dialled));
        put(27, "state", "conn_parse_cmd");
        put(27, "secs_since_last_cmd", "0");
    }
    pairs
}

/// Items by their sizes, in steps of 32 bytes: those that were stored since somebody wanted to know.
fn sizes(visit: &mut Visit<'_>) -> Pairs {
    let Some(since) = visit.cache.sizes_since else { return vec![("sizes_status".to_owned(), "disabled".to_owned())] };
    let mut counts = BTreeMap::new();
    for (key, item) in visit.cache.living(visit.now) {
        if item.cas > since {
            *counts.entry(item.size(key).next_multiple_of(32)).or_insert(0) += 1;
        }
    }
    counts.into_iter().map(|(size, count): (usize, u32)| (size.to_string(), count.to_string())).collect()
}

/// `stats cachedump CLASS LIMIT`: keys, sizes and ends of lifetimes.
fn cachedump(class: usize, limit: usize, visit: &mut Visit<'_>) {
    let limit = if limit == 0 { MAX_LISTED } else { limit.min(MAX_LISTED) };
    let mut lines = Vec::new();
    for (key, item) in visit.cache.items(visit.now) {
        if class_of(item.size(key)).0 == class && lines.len() < limit {
            let end = item.expires.unwrap_or(0);
            lines.push([b"ITEM ", key, format!(" [{} b; {end} s]", item.value.len()).as_bytes()].concat());
        }
    }
    lines.iter().for_each(|line| visit.reply.line(line));
    visit.reply.line("END");
}

/// `lru_crawler metadump all`: one line an item, keys percent-encoded; these lines end in a bare newline.
pub(super) fn metadump(visit: &mut Visit<'_>) {
    let mut out = Vec::new();
    for (key, item) in visit.cache.items(visit.now).into_iter().take(MAX_LISTED) {
        let size = item.size(key);
        let expires = item.expires.map_or(-1, |end| i64::try_from(end).unwrap_or(i64::MAX));
        let fetched = if item.fetched { "yes" } else { "no" };
        let key: String = key.iter().map(|&byte| percent_encoded(byte)).collect();
        let (accessed, cas, class) = (item.accessed, item.cas, class_of(size).0);
        out.push(format!("key={key} exp={expires} la={accessed} cas={cas} fetch={fetched} cls={class} size={size}\n"));
    }
    out.iter().for_each(|line| visit.reply.put(line));
}

fn percent_encoded(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

//! `/proc/net/route`, `/proc/net/ipv6_route` and `/proc/net/dev`.

/// RTF_UP of `linux/route.h`.
const UP: u32 = 0x1;
/// RTF_REJECT of `linux/route.h`: an "unreachable" route.
const REJECT: u32 = 0x200;

/// Interface of the IPv4 default route with the lowest metric.
pub(super) fn default_v4(text: &str) -> Option<&str> {
    // Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT; addresses and flags in hexadecimal.
    let parse = |line: &'_ str| -> Option<(u32, usize)> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (destination, _gateway, flags) = (hex(words.next()?)?, words.next()?, hex(words.next()?)?);
        let (_references, _use, metric, mask) = (words.next()?, words.next()?, words.next()?, hex(words.next()?)?);
        (destination == 0 && mask == 0 && usable(flags)).then_some(())?;
        Some((metric.parse().ok()?, line.find(|c: char| c.is_ascii_whitespace())?))
    };
    text.lines()
        .filter_map(|line| parse(line).and_then(|(metric, end)| Some((metric, line.get(..end)?))))
        .min_by_key(|&(metric, _)| metric)
        .map(|(_, name)| name)
}

/// Interface of the IPv6 default route with the lowest metric.
pub(super) fn default_v6(text: &str) -> Option<&str> {
    // destination, its prefix length, source, its prefix length, next hop, metric, references, use, flags, interface;
    // all numbers in hexadecimal. The kernel keeps a rejecting default route on lo.
    let parse = |line| -> Option<(u32, &str)> {
        let words: Vec<&str> = str::split_ascii_whitespace(line).collect();
        let &[destination, length, _, _, _, metric, _, _, flags, name] = words.as_slice() else { return None };
        let default = destination.len() == 32 && destination.bytes().all(|b| b == b'0') && hex(length)? == 0;
        (default && usable(hex(flags)?) && name != "lo").then_some(())?;
        Some((hex(metric)?, name))
    };
    text.lines().filter_map(parse).min_by_key(|&(metric, _)| metric).map(|(_, name)| name)
}

/// Names of all interfaces.
pub(super) fn interfaces(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim())
}

fn usable(flags: u32) -> bool {
    flags & UP != 0 && flags & REJECT == 0
}

fn hex(word: &str) -> Option<u32> {
    u32::from_str_radix(word, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010010AC\t0003\t0\t0\t100\t00000000\t0\t0\t0
tun0\t00000000\t010010AC\t0003\t0\t0\t0\t00000080\t0\t0\t0
down0\t00000000\t010010AC\t0002\t0\t0\t1\t00000000\t0\t0\t0
*\t00000000\t00000000\t0201\t0\t0\t2\t00000000\t0\t0\t0
eth0\t000010AC\t00000000\t0001\t0\t0\t100\t00F0FFFF\t0\t0\t0
";

    const V6: &str = "\
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000064 00000001 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";

    #[test]
    fn the_default_route_with_the_lowest_metric_wins() {
        assert_eq!(default_v4(V4), Some("eth0"));
        assert_eq!(default_v6(V6), Some("eth1"));
    }

    #[test]
    fn without_a_default_route_there_is_no_interface() {
        assert_eq!(default_v4(V4.lines().next().unwrap()), None);
        assert_eq!(default_v4(""), None);
        assert_eq!(default_v6(V6.lines().last().unwrap()), None);
    }

    #[test]
    fn garbage_is_no_route() {
        for text in
            ["\0", "a b", "a 0 0 zz 0 0 0 0", "eth0 00000000 0 3 0 0 -1 0", "é 0 0 3 0 0 99999999999 0", " \n\t\n"]
        {
            assert_eq!(default_v4(text), None, "{text:?}");
            assert_eq!(default_v6(text), None, "{text:?}");
        }
    }

    #[test]
    fn interface_names_stand_before_the_colon() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3\n  eth0:99 1\nbr-1: 0\n";
        assert_eq!(interfaces(text).collect::<Vec<_>>(), ["lo", "eth0", "br-1"]);
    }
}

//! A visitor that does anything, against any handler of a registry, and the bounds that every handler keeps. For the fuzz target and the
//! property test alike: handlers that are added are held to them by being in the table.

use std::time::Duration;

use glutton_nfq::clock::Timestamp;
use glutton_nfq::flow::Transport;
use glutton_nfq::handlers::{Context, Entry, Handler, Output, Registry, Session};

/// Bytes that one call sends.
pub(crate) const SENT_AT_ONCE: usize = 5 << 20;
/// Bytes of all events as text, and of all samples, likewise.
pub(crate) const EVENT_FACTOR: u64 = 256;
pub(crate) const EVENT_BESIDES: u64 = 1 << 20;
pub(crate) const SAMPLE_FACTOR: u64 = 256;
pub(crate) const SAMPLE_BESIDES: u64 = 16 << 20;
/// Ports besides the handler's own: where servers speak first, where another protocol is at home, any other.
pub(crate) const PORTS: [u16; 11] = [21, 25, 110, 143, 873, 993, 2_222, 3_306, 5_900, 6_379, 12_345];
/// Deadlines that a silent visitor causes before its session is over or waits for good.
const MAX_DEADLINES: u32 = 10_000;
/// Sessions that are handed over more often go in circles: the server's own bound.
const MAX_HAND_OVERS: u32 = 4;

/// One thing that the visitor does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Recv(Vec<u8>),
    Wait(Duration),
    Eof,
}

/// Steps from bytes: up to 250, so many bytes come; 251, the last ones come again, as often as the next byte says; 252, the end of the
/// visitor's side; 253 and 254, a wait of tenths of a second or of minutes; 255, everything that is left.
pub(crate) fn steps(mut script: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some((&what, rest)) = script.split_first() {
        script = rest;
        let next = script.first().copied().unwrap_or(1);
        match what {
            len @ 0..=250 => {
                let (bytes, rest) = script.split_at(script.len().min(len.into()));
                steps.push(Step::Recv(bytes.to_vec()));
                script = rest;
                continue;
            }
            251 => {
                let again = steps.iter().rev().find(|step| matches!(step, Step::Recv(_))).cloned();
                steps.extend(again.into_iter().flat_map(|step| std::iter::repeat_n(step, next.into())));
            }
            252 => steps.push(Step::Eof),
            253 => steps.push(Step::Wait(Duration::from_millis(100) * next.into())),
            254 => steps.push(Step::Wait(Duration::from_secs(60) * next.into())),
            255 => {
                steps.push(Step::Recv(script.to_vec()));
                return steps;
            }
        }
        if what != 252 {
            script = script.get(1..).unwrap_or_default();
        }
    }
    steps
}

/// Bytes out, at most so many for each that came, and so many besides: a word makes a shell print a file, or memcached what was stored
/// before. What of a UDP answer leaves is the server's to decide.
fn most_sent(name: &str, received: u64) -> u64 {
    let (factor, besides) = match name.rsplit(" > ").next() {
        Some("telnet" | "adb" | "memcache" | "memcached") => (8_192, 1 << 20),
        _ => (256, 64 << 10),
    };
    factor * received + besides
}

/// A session under way.
pub(crate) struct Play<'a> {
    registry: &'a Registry,
    session: Session,
    handler: Box<dyn Handler>,
    name: String,
    now: Timestamp,
    deadline: Option<Timestamp>,
    out: Output,
    over: bool,
    eof: bool,
    hand_overs: u32,
    received: u64,
    datagrams: u64,
    sent: u64,
    events: u64,
    event_bytes: u64,
    sample_bytes: u64,
}

impl<'a> Play<'a> {
    /// A session that has just been opened, on the handler's own port (0) or on another.
    pub(crate) fn open(registry: &'a Registry, entry: &Entry, transport: Transport, pick: usize) -> Self {
        let own = entry.default_ports().first().copied().unwrap_or(4444);
        let other = pick.checked_sub(1).map(|pick| PORTS[pick % PORTS.len()]);
        let port = other.unwrap_or(own);
        let session = Session::example(transport, port);
        let mut play = Self {
            registry,
            handler: entry.make(&session),
            session,
            name: entry.name().to_string(),
            now: Timestamp::from_micros(1_700_000_000_000_000),
            deadline: None,
            out: Output::default(),
            over: false,
            eof: false,
            hand_overs: 0,
            received: 0,
            datagrams: 0,
            sent: 0,
            events: 0,
            event_bytes: 0,
            sample_bytes: 0,
        };
        play.call(|handler, cx| handler.open(cx));
        play
    }

    /// Does all this, and looks at every bound after each step.
    pub(crate) fn run(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                // A stream has no empty pieces; a datagram may well be empty.
                Step::Recv(bytes) if self.eof || bytes.is_empty() && self.session.transport == Transport::Tcp => {}
                Step::Recv(bytes) => {
                    self.received += bytes.len() as u64;
                    self.datagrams += 1;
                    self.call(|handler, cx| handler.data(cx, bytes));
                }
                Step::Eof if !self.eof => {
                    self.eof = true;
                    self.call(|handler, cx| handler.eof(cx));
                }
                Step::Wait(time) => self.wait(*time),
                Step::Eof => {}
            }
        }
    }

    /// The last call; a session never ends without an event.
    pub(crate) fn close(mut self) {
        self.wait(Duration::from_secs(24 * 3_600));
        self.handler.closed(&mut Context::new(&self.session, self.now, &mut self.out));
        self.take();
        // A UDP session begins with a datagram.
        let began = self.session.transport == Transport::Tcp || self.datagrams > 0;
        assert!(self.events > 0 || !began, "{}: a session without any event", self.name);
    }

    fn call(&mut self, call: impl FnOnce(&mut dyn Handler, &mut Context<'_>)) {
        if self.over {
            return;
        }
        call(&mut *self.handler, &mut Context::new(&self.session, self.now, &mut self.out));
        let over = self.out.hand_over.take();
        self.take();
        if let Some(over) = over {
            self.hand_over(&over.handler, &over.bytes);
        }
    }

    fn hand_over(&mut self, name: &str, bytes: &[u8]) {
        self.hand_overs += 1;
        assert!(self.hand_overs <= MAX_HAND_OVERS, "{}: handed over in circles", self.name);
        let entry = self.registry.find(name).filter(|entry| entry.serves(self.session.transport));
        let entry = entry.unwrap_or_else(|| panic!("{}: handed over to {name}, which does not exist", self.name));
        self.name = format!("{} > {name}", self.name);
        self.handler = entry.make(&self.session);
        (self.deadline, self.over) = (None, false);
        self.call(|handler, cx| handler.open(cx));
        if !bytes.is_empty() {
            self.call(|handler, cx| handler.data(cx, bytes));
        }
        if self.eof {
            self.call(|handler, cx| handler.eof(cx));
        }
    }

    fn take(&mut self) {
        let sent = self.out.bytes().len();
        assert!(sent <= SENT_AT_ONCE, "{}: {sent} bytes sent at once", self.name);
        self.sent += self.out.bytes().len() as u64;
        self.events += self.out.events.len() as u64;
        let text = |event: &glutton_nfq::events::Event| {
            let fields: usize = event.fields.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
            (event.msg.len() + fields) as u64
        };
        self.event_bytes += self.out.events.iter().map(text).sum::<u64>();
        self.sample_bytes += self.out.samples.iter().map(|sample| sample.bytes.len() as u64).sum::<u64>();
        if let Some(deadline) = self.out.deadline {
            self.deadline = deadline;
        }
        self.over |= self.out.close.is_some();
        self.out.clear();
        self.check();
    }

    fn check(&self) {
        let Self { name, received, sent, event_bytes, sample_bytes, .. } = self;
        let most = most_sent(name, *received);
        assert!(*sent <= most, "{name}: {sent} bytes sent for {received}");
        let most = EVENT_FACTOR * received + EVENT_BESIDES;
        assert!(*event_bytes <= most, "{name}: {event_bytes} bytes of events for {received}");
        let most = SAMPLE_FACTOR * received + SAMPLE_BESIDES;
        assert!(*sample_bytes <= most, "{name}: {sample_bytes} bytes of samples for {received}");
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let mut deadlines = 0;
        while let Some(due) = self.deadline.filter(|&due| due <= end && !self.over) {
            deadlines += 1;
            assert!(deadlines <= MAX_DEADLINES, "{}: deadlines without end", self.name);
            self.now = self.now.max(due);
            self.deadline = None;
            self.call(|handler, cx| handler.deadline(cx));
        }
        self.now = end;
    }
}

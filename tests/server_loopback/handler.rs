//! Handlers that hand over, hold back or fail.

use super::*;

/// Panics at `p`, hands over to echo at `e`, to nobody at `n`, to itself at `l`.
struct Troubled;

impl Handler for Troubled {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        match bytes.first() {
            Some(b'p') => panic!("as the test wants"),
            Some(b'e') => {
                cx.send(b"over: ");
                cx.hand_over("echo", bytes.to_vec());
            }
            Some(b'n') => cx.hand_over("nobody", bytes.to_vec()),
            _ => cx.hand_over("troubled", bytes.to_vec()),
        }
    }
}

fn troubled() -> Sensor {
    let mut registry = Registry::builtin();
    registry.register("troubled", &[Transport::Tcp], |_: &Session| Troubled);
    Sensor::start_with(registry, Some(Action::Handler("troubled".into())), |_| {})
}

#[test]
fn a_session_can_be_handed_over_with_what_came_so_far() {
    let sensor = troubled();
    let mut stream = sensor.connect();
    stream.write_all(b"e1").unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"over: e1");
    stream.write_all(b"more").unwrap();
    stream.read_exact(&mut answer[..4]).unwrap();
    assert_eq!(&answer[..4], b"more");
    drop(stream);
    assert_eq!(sensor.event().0, "echo");
    sensor.stop();
}

#[test]
fn handlers_that_panic_or_go_in_circles_end_their_session_only() {
    let sensor = troubled();
    for (byte, reason) in [(b"n", "does not exist"), (b"l", "too often"), (b"p", "panicked")] {
        let mut stream = sensor.connect();
        stream.write_all(byte).unwrap();
        assert!(is_reset(&stream.read(&mut [0; 4])));
        let (_, event) = sensor.event();
        assert!(event.kind == "handler_error" && event.msg.contains(reason), "{}", event.msg);
    }
    assert_eq!(sensor.counters.value(Counter::HandlerPanics), 1);
    let mut stream = sensor.connect();
    stream.write_all(b"e").unwrap();
    stream.read_exact(&mut [0; 7]).unwrap();
}

/// Begins with more than every buffer on the way holds, and has another word to say soon.
struct Voluble;

const FIRST_WORDS: usize = 24 << 20;
const LAST_WORD: &[u8] = b"the last word";

impl Handler for Voluble {
    fn open(&mut self, cx: &mut Context<'_>) {
        cx.send(vec![b'.'; FIRST_WORDS]);
        cx.deadline_in(Duration::from_millis(20));
    }

    fn data(&mut self, _: &mut Context<'_>, _: &[u8]) {}

    fn deadline(&mut self, cx: &mut Context<'_>) {
        cx.event(Event::new("said", "the last word"));
        cx.send(LAST_WORD);
        cx.close();
    }
}

fn voluble(change: impl FnOnce(&mut config::Server)) -> Sensor {
    let mut registry = Registry::builtin();
    registry.register("voluble", &[Transport::Tcp], |_: &Session| Voluble);
    Sensor::start_with(registry, Some(Action::Handler("voluble".into())), change)
}

/// Reads all that there is, and gives its length; the last word must be its end.
fn hear_out(mut visitor: TcpStream) -> usize {
    let mut heard = Vec::new();
    visitor.read_to_end(&mut heard).unwrap();
    assert!(heard.ends_with(LAST_WORD));
    heard.len()
}

#[test]
fn a_deadline_that_falls_while_the_visitor_takes_nothing_waits_for_it_and_is_not_lost() {
    let sensor = voluble(|_| {});
    let slow = sensor.connect();
    sensor.wait_for(Counter::SessionsOpened, 1);
    // Whoever came later and takes what it is told has heard the last word: for the first one its time had come, too.
    assert_eq!(hear_out(sensor.connect()), FIRST_WORDS + LAST_WORD.len());
    assert_eq!(sensor.event().1.kind, "said");
    assert!(sensor.records.is_empty(), "the handler was called although nothing moves");
    assert_eq!(hear_out(slow), FIRST_WORDS + LAST_WORD.len());
    assert_eq!(sensor.event().1.kind, "said");
    sensor.stop();
}

#[test]
fn a_visitor_that_takes_nothing_for_too_long_is_not_called_for_any_more() {
    let sensor = voluble(|config| config.idle_timeout = Duration::from_millis(300));
    let visitor = sensor.connect();
    sensor.wait_for(Counter::SessionsIdle, 1);
    assert!(sensor.records.is_empty());
    drop(visitor);
    sensor.wait_for(Counter::SessionsClosed, 1);
    sensor.stop();
}

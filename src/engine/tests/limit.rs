//! What a rule leaves over by its limit or its sample.

use super::*;

#[test]
fn what_exceeds_a_limit_falls_through_to_the_next_rule() {
    let rules = "- {match: tcp, type: drop, limit: 3/m per src}\n- {match: tcp, type: handler, target: tcp}\n";
    for family in [Family::V4, Family::V6] {
        let mut bed = Bed::new(rules);
        let verdicts: Vec<_> = (1..=5).map(|n| bed.enter(&mut family.syn(n, 23)).verdict).collect();
        let [drop, accept] = [Verdict::Drop, Verdict::Accept];
        assert_eq!(verdicts, [drop, drop, drop, accept, accept]);
        assert_eq!(bed.counters.value(Counter::LimitExceeded), 2);
        assert_eq!(bed.enter(&mut family.syn(1, 23)).verdict, drop, "a flow keeps what was decided for it");
    }
}

#[test]
fn a_packet_rule_behind_a_limit_takes_what_is_left_over() {
    let mut bed = Bed::new(
        "- {match: tcp, type: pass, limit: 1/m}\n- {match: tcp, type: drop, per: packet}\n- {type: handler, target: tcp}\n",
    );
    assert_eq!(bed.enter(&mut Family::V4.syn(1, 23)), Decision::ACCEPT);
    assert_eq!(bed.enter(&mut Family::V4.syn(2, 23)), Decision::DROP);
    assert_eq!(bed.records.len(), 1, "the second packet has no flow");
}

#[test]
fn a_limit_on_packets_counts_packets() {
    let mut bed = Bed::new("- {match: udp, type: pass, per: packet, limit: 2/s per dst}\n- {type: drop}\n");
    let verdicts: Vec<_> = (0..4).map(|_| bed.enter(&mut Family::V4.udp(1, 53, b"x")).verdict).collect();
    assert_eq!(verdicts, [Verdict::Accept, Verdict::Accept, Verdict::Drop, Verdict::Drop]);
}

#[test]
fn a_sample_takes_its_part_of_the_flows_and_always_the_same() {
    let sampled = || {
        let mut bed = Bed::new("- {match: tcp, type: drop, sample: 1/4}\n");
        (1..=800).map(|port| bed.enter(&mut Family::V4.syn(port, 23)) == Decision::DROP).collect::<Vec<_>>()
    };
    let taken = sampled().iter().filter(|taken| **taken).count();
    assert!((150..=250).contains(&taken), "{taken} of 800");
    assert_eq!(sampled(), sampled());
}

//! Other rules in force while flows go on.

use super::*;

#[test]
fn a_reload_leaves_decided_flows_alone_and_goes_on_counting() {
    let mut bed = Bed::new("- {name: telnet, match: tcp, type: drop, limit: 2/m}\n- {type: pass}\n");
    assert_eq!(bed.enter(&mut Family::V4.syn(1, 23)), Decision::DROP);
    let rules = RuleSet::from_yaml(
        "rules:\n- {match: udp, type: drop}\n- {name: telnet, match: tcp, type: reject, limit: 2/m}\n",
        "new.yml",
    );
    bed.engine.replace_rules(rules.unwrap());
    assert_eq!(bed.enter(&mut Family::V4.syn(1, 23)), Decision::DROP, "decided before");
    assert!(bed.enter(&mut Family::V4.syn(2, 23)).rewritten, "decided now");
    assert_eq!(bed.enter(&mut Family::V4.syn(3, 23)), Decision::ACCEPT, "one of two was used up before the reload");
    let [FlowEvent::Opened { flow: before, .. }, FlowEvent::Opened { flow: after, .. }] = bed.records.as_slice() else {
        panic!("two flows: {:?}", bed.records);
    };
    assert!(Arc::ptr_eq(&before.rule.hits, &after.rule.hits));
    assert_eq!(after.rule.hits.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn a_replaced_rule_set_is_freed_at_once_but_for_the_rules_of_its_flows() {
    let set = |kind: &str| {
        let text = ["tcp", "udp"].map(|filter| format!("- {{match: {filter}, type: {kind}}}\n")).concat();
        RuleSet::from_yaml(&format!("rules:\n{text}"), "test.yml").unwrap()
    };
    let rules = Arc::new(set("drop"));
    let [tcp, udp] = [0, 1].map(|position| Arc::downgrade(&rules.rules()[position]));
    let whole = Arc::downgrade(&rules);
    let flows = Arc::new(FlowTable::new(1_000, Timeouts::default(), Seed([1, 2, 3]), NOW));
    let engine = Engine::new(rules, Arc::clone(&flows), Arc::new(Counters::default()), SETTINGS);
    let meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark: 0, ifindex: 1 };
    engine.decide(&mut Family::V4.syn(1, 23), &meta, NOW, &mut |_| ());
    engine.replace_rules(set("pass"));
    assert_eq!([whole.strong_count(), tcp.strong_count(), udp.strong_count()], [0, 1, 0]);
    flows.close_all(NOW, &mut |_| ());
    assert_eq!(tcp.strong_count(), 0);
}

#[test]
fn no_packet_is_decided_by_a_mixture_of_two_rule_sets() {
    // The old rules drop even source ports and pass odd ones, the new rules the other way round. A flow under a name that does not fit its
    // port comes of the packet rules of one set and the flow rules of the other.
    let set = |name: &str, dropped: u8| {
        let rules = format!(
            "rules:\n- {{match: 'udp[1] & 1 = {dropped}', type: drop, per: packet}}\n- {{name: {name}, match: udp, type: pass}}\n"
        );
        RuleSet::from_yaml(&rules, "test.yml").unwrap()
    };
    let flows = FlowTable::new(1_000, Timeouts::default(), Seed([1, 2, 3]), NOW);
    let engine = Engine::new(Arc::new(set("odd", 0)), Arc::new(flows), Arc::new(Counters::default()), SETTINGS);
    let sent = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (engine, sent) = (&engine, &sent);
            scope.spawn(move || {
                let meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark: 0, ifindex: 1 };
                for n in 0..20_000_u16 {
                    let mut packet = Family::V4.udp(1 + n, 53 + worker, b"x");
                    engine.decide(&mut packet, &meta, NOW, &mut |event| {
                        if let FlowEvent::Opened { flow, .. } = event {
                            assert_eq!(flow.rule.name == "odd", flow.key.client_port % 2 == 1, "{flow:?}");
                        }
                    });
                    sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
        for turn in 0.. {
            if sent.load(std::sync::atomic::Ordering::Relaxed) == 40_000 {
                break;
            }
            engine.replace_rules(if turn % 2 == 0 { set("even", 1) } else { set("odd", 0) });
        }
    });
}

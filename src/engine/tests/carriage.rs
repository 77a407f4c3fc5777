//! Which connections leave user space after their first packet, and on which way.

use super::*;

/// What the kernel is told to do with the connection of this SYN; `None` when the packet was rewritten here.
fn course(bed: &mut Bed, mut syn: Vec<u8>) -> Option<u32> {
    let decision = bed.enter(&mut syn);
    assert_eq!(decision.verdict == Verdict::Repeat, decision.mark.is_some());
    assert_eq!(decision.rewritten, decision.mark.is_none());
    decision.mark
}

/// A kernel that can do everything, and redirects to this port.
fn kernel(datapath: Datapath) -> Kernel {
    Kernel { marks: MarkField::new(0x30), datapath, transparent: true, redirect_port: Some(6_000) }
}

#[test]
fn a_datapath_of_the_configuration_or_the_rule_says_who_carries_a_connection() {
    let rules = "- {match: tcp dst port 1, type: handler, target: tcp, datapath: tproxy}
- {match: tcp dst port 2, type: handler, target: tcp, datapath: userspace}
- {match: tcp dst port 3, type: rewrite, target: 9}
- {match: tcp dst port 4, type: pass}
- {type: handler, target: tcp}
";
    let mut bed = Bed::with(rules, Settings { kernel: kernel(Datapath::Redirect), ..SETTINGS });
    for family in BOTH {
        for (port, told) in [(1, Some(0x20)), (2, None), (3, None), (4, Some(0x10)), (5, Some(0x30))] {
            assert_eq!(course(&mut bed, family.syn(40_000, port)), told, "port {port}");
        }
        assert_eq!(bed.enter(&mut family.udp(40_000, 5, b"x")), Decision::REWRITTEN, "datagrams stay here");
        let mut syn = family.syn(40_000, 6_000);
        assert_eq!(bed.enter(&mut syn), Decision::REWRITTEN, "the listener itself is no port for visitors");
        assert_eq!(endpoints(&syn).dst_port, SETTINGS.tcp_port);
    }
}

#[test]
fn of_one_client_port_to_one_address_one_connection_is_redirected_and_the_others_are_rewritten() {
    for family in BOTH {
        let settings = Settings { kernel: kernel(Datapath::Redirect), ..SETTINGS };
        let mut bed = Bed::with("- {type: handler, target: tcp}\n", settings);
        assert_eq!(course(&mut bed, family.syn(40_000, 22)), Some(0x30));
        assert_eq!(course(&mut bed, family.syn(40_000, 22)), Some(0x30), "the same SYN again");
        let seen: Vec<u16> = (23..123)
            .map(|port| {
                let mut syn = family.syn(40_000, port);
                assert_eq!(bed.enter(&mut syn), Decision::REWRITTEN);
                assert_eq!(endpoints(&syn).dst_port, SETTINGS.tcp_port);
                endpoints(&syn).src_port
            })
            .collect();
        assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), 100, "each has a port of its own");
        assert_eq!(bed.counters.value(Counter::RedirectsClashed), 100);
        assert_eq!(course(&mut bed, family.syn(40_001, 23)), Some(0x30), "another client port");
    }
}

#[test]
fn connections_to_captured_networks_are_not_redirected() {
    for family in BOTH {
        let networks = vec![family.sensor().to_string().parse().unwrap()];
        let own = (Some([10, 9, 9, 9].into()), Some("fd00::9".parse().unwrap()));
        let capture = Capture { networks, carried: true, v4: own.0, v6: own.1, ..Capture::default() };
        let settings = Settings { kernel: kernel(Datapath::Redirect), ..SETTINGS };
        let mut bed = Bed::with("- {type: handler, target: tcp}\n", settings);
        bed.engine = bed.engine.capturing(capture);
        assert_eq!(course(&mut bed, family.syn(40_000, 22)), None);
    }
}

#[test]
fn a_kernel_that_cannot_redirect_leaves_connections_here() {
    let kernel = Kernel { redirect_port: None, ..kernel(Datapath::Redirect) };
    let mut bed = Bed::with("- {type: handler, target: tcp}\n", Settings { kernel, ..SETTINGS });
    assert_eq!(course(&mut bed, Family::V4.syn(40_000, 22)), None);
}

#[test]
fn the_kernel_carries_flows_to_captured_networks_only_where_it_can() {
    let field = MarkField::new(0x3000_0000).unwrap();
    let kernel = Kernel { marks: Some(field), datapath: Datapath::Auto, transparent: true, redirect_port: None };
    for family in BOTH {
        let networks = vec![family.sensor().to_string().parse().unwrap()];
        let capture = Capture {
            networks,
            v4: Some([10, 9, 9, 9].into()),
            v6: Some("fd00::9".parse().unwrap()),
            ..Capture::default()
        };
        for (capture, carried, passed) in [
            (Capture { carried: true, ..capture.clone() }, Verdict::Repeat, Verdict::Repeat),
            (capture.clone(), Verdict::Accept, Verdict::Repeat),
            (Capture { untracked: true, ..capture.clone() }, Verdict::Accept, Verdict::Accept),
            (Capture { untracked: true, carried: true, ..capture }, Verdict::Repeat, Verdict::Accept),
        ] {
            let rules = "  - { match: dst port 9500, type: pass }\n  - { type: handler, target: tcp }\n";
            let mut bed = Bed::with(rules, Settings { kernel, ..SETTINGS });
            bed.engine = bed.engine.capturing(capture);
            assert_eq!(bed.enter(&mut family.syn(40_000, 23)).verdict, carried);
            assert_eq!(bed.enter(&mut family.syn(40_000, 9_500)).verdict, passed);
            assert!(bed.enter(&mut family.udp(40_000, 53, b"?")).rewritten, "datagrams stay in user space");
        }
    }
}

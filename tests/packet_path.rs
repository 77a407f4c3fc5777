//! What a packet may not do on its way: allocate.

#[path = "handlers/allocation.rs"]
mod allocation;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use etherparse::PacketBuilder;
    use glutton_nfq::clock::Timestamp;
    use glutton_nfq::config::{self, Timeouts};
    use glutton_nfq::control::{Counter, Counters};
    use glutton_nfq::engine::{Checksum, Engine, Hook, Kernel, Meta, Settings};
    use glutton_nfq::flow::{FlowTable, Seed};
    use glutton_nfq::rules::RuleSet;

    use crate::allocation;

    const RULES: &str = "
rules:
  - {match: tcp dst port 81, type: drop, per: packet}
  - {match: tcp dst port 82, type: pass, limit: 3/s per src}
  - {match: tcp dst port 83, type: drop, sample: 1/3}
  - {match: tcp or udp, type: handler, target: tcp}
";
    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
    const SETTINGS: Settings =
        Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 61, closed_udp_port: 62, kernel: Kernel::NONE };

    fn syn(source: u8, source_port: u16, port: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let packet = PacketBuilder::ipv4([192, 0, 2, source], [10, 0, 0, 1], 64).tcp(source_port, port, 1, 1_024).syn();
        packet.write(&mut bytes, &[]).unwrap();
        bytes
    }

    fn engine(new_flows_per_source: u32, counters: &Arc<Counters>) -> Engine {
        let rules = RuleSet::from_yaml(RULES, "rules.yml").unwrap();
        let flows = FlowTable::new(65_536, Timeouts::default(), Seed([1, 2, 0x9e37_79b9_7f4a_7c15]), NOW);
        let config = config::Engine { new_flows_per_source, ..config::Engine::default() };
        Engine::new(Arc::new(rules), Arc::new(flows), Arc::clone(counters), SETTINGS).limiting_sources(&config)
    }

    #[test]
    fn no_packet_allocates_be_it_of_a_new_flow_a_known_one_or_one_too_many() {
        let meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark: 0, ifindex: 1 };
        let ports = [80, 81, 82, 83];
        let packets: Vec<_> =
            (0..20_000_u16).map(|n| syn((n % 200) as u8, 1_024 + n / 2, ports[usize::from(n % 4)])).collect();
        for new_flows_per_source in [0, 10] {
            let counters = Arc::new(Counters::default());
            let engine = engine(new_flows_per_source, &counters);
            let mut packets = packets.clone();
            // What a thread needs once, it has after its first packet.
            engine.decide(&mut syn(250, 1, 80), &meta, NOW, &mut |_| ());
            let before = allocation::calls();
            for packet in &mut packets {
                engine.decide(packet, &meta, NOW, &mut |_| ());
            }
            assert_eq!(allocation::calls() - before, 0, "with {new_flows_per_source} new flows a source");
            assert_eq!(counters.value(Counter::FlowsLimited) > 0, new_flows_per_source > 0);
            assert!(counters.value(Counter::FlowsOpened) > 1_000);
        }
    }
}

use super::super::ast::{Expr, Join, Operator, Primitive, Step};
use super::*;
use crate::rules::filter::list::Disk;

fn parse(text: &str) -> Result<Expr, FilterError> {
    super::parse(text, &mut Disk)
}

fn expr(text: &str) -> Expr {
    parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The ports of all primitives, in order.
fn ports(expr: &Expr) -> Vec<u16> {
    match expr {
        Expr::Primitive(Primitive::Ports { low, .. }, _) => vec![*low],
        Expr::Primitive(..) => vec![],
        Expr::Not(inner) => ports(inner),
        Expr::Chain(first, rest) => {
            ports(first).into_iter().chain(rest.iter().flat_map(|(_, next)| ports(next))).collect()
        }
    }
}

fn steps(text: &str) -> Vec<Step> {
    match expr(text) {
        Expr::Primitive(Primitive::Relation { left, .. }, _) => left.steps,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_bare_number_takes_the_qualifiers_before_it() {
    assert_eq!(ports(&expr("port 80 or 443 and 22")), vec![80, 443, 22]);
    assert_eq!(ports(&expr("port 80 or not 443")), vec![80, 443]);
    assert_eq!(ports(&expr("port (80 or 443)")), vec![80, 443]);
    assert_eq!(ports(&expr("port 80 or (443 or 22)")), vec![80, 443, 22]);
}

#[test]
fn parentheses_hand_on_what_stands_before_them() {
    assert_eq!(ports(&expr("tcp port 80 or (udp port 53) or 443")), vec![80, 53, 443]);
    assert!(parse("(port 80) or 443").is_err());
    assert!(parse("tcp or 443").is_err());
}

#[test]
fn chains_are_flat_and_in_order() {
    let Expr::Chain(_, rest) = expr("tcp or udp and icmp") else { panic!("not a chain") };
    assert_eq!(rest.iter().map(|(join, _)| *join).collect::<Vec<_>>(), vec![Join::Or, Join::And]);
}

#[test]
fn operators_bind_as_in_libpcap() {
    use Step::{Binary, Constant};
    let [one, two, three] = [1, 2, 3].map(Constant);
    let [add, multiply, remainder] = [Operator::Add, Operator::Multiply, Operator::Remainder].map(Binary);
    assert_eq!(steps("1 + 2 * 3 = 7"), vec![one, two, three, multiply, add]);
    assert_eq!(steps("1 * 2 + 3 = 5"), vec![one, two, multiply, three, add]);
    assert_eq!(steps("1 % 2 + 3 = 1"), vec![one, two, three, add, remainder]);
    assert_eq!(steps("1 * 2 % 3 = 2"), vec![one, two, three, remainder, multiply]);
    assert_eq!(steps("(1 * 2) % 3 = 2"), vec![one, two, multiply, three, remainder]);
}

#[test]
fn a_number_in_parentheses_can_be_either() {
    assert_eq!(ports(&expr("port 80 or (443)")), vec![80, 443]);
    assert_eq!(ports(&expr("port 80 or (443) = 443")), vec![80]);
    assert!(matches!(expr("((1)) = 1"), Expr::Primitive(Primitive::Relation { .. }, _)));
}

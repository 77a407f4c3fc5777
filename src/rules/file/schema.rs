//! The keys and types of a rule file, and what each rule means. One table each for keys and types: what is not there is refused.

use std::collections::HashMap;

use super::document::{Node, Value};
use super::target::{self, TargetError};
use super::{portion, position};
use crate::config::Datapath;
use crate::near::nearest;
use crate::rules::error::{Report, quoted};
use crate::rules::filter::{Filter, ListFiles};
use crate::rules::{Action, Rule, Scope};

/// Rules that one file may hold.
pub const MAX_RULES: usize = 100_000;
/// Characters of a rule's name; it stands in every event of the rule.
pub const MAX_NAME_CHARS: usize = 64;

const FILE_KEYS: [&str; 2] = ["version", "rules"];
const RULE_KEYS: [&str; 9] = ["match", "type", "target", "name", "per", "limit", "log", "sample", "datapath"];
const TRUTHS: [(&str, bool); 2] = [("true", true), ("false", false)];
const DATAPATHS: [(&str, Datapath); 4] = Datapath::NAMES;
const SCOPES: [(&str, Scope); 2] = [("flow", Scope::Flow), ("packet", Scope::Packet)];

/// Every name of every rule type; `handler` is ours, `conn_handler` and `user_conn` are how the ancestors write it.
const TYPES: [(&str, Kind); 13] = [
    ("pass", Kind::Pass),
    ("passthrough", Kind::Pass),
    ("drop", Kind::Drop),
    ("reject", Kind::Reject),
    ("rewrite", Kind::Rewrite),
    ("proxy", Kind::Proxy),
    ("proxy_tcp", Kind::Proxy),
    ("proxy_ssh", Kind::ProxySsh),
    ("handler", Kind::Handler),
    ("conn_handler", Kind::ConnHandler),
    ("user_conn", Kind::ConnHandler),
    ("log_tcp", Kind::LogTcp),
    ("log_http", Kind::LogHttp),
];

/// The names by which Glutton's NFQUEUE era tells a proxy from a handler, in rules of type `conn_handler`.
const GLUTTON_PROXIES: [(&str, Kind); 3] =
    [("proxy_ssh", Kind::ProxySsh), ("proxy_tcp", Kind::Proxy), ("proxy_telnet", Kind::Proxy)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pass,
    Drop,
    Reject,
    Rewrite,
    Proxy,
    ProxySsh,
    Handler,
    ConnHandler,
    LogTcp,
    LogHttp,
}

/// A rule, and what only the file knows of it.
#[derive(Debug)]
pub(in crate::rules) struct FileRule {
    pub(in crate::rules) filter: Filter,
    pub(in crate::rules) rule: Rule,
    /// Line of the rule, from 1.
    pub(in crate::rules) line: usize,
    /// The rule has a target that its type does not use.
    pub(in crate::rules) target_ignored: bool,
}

/// Reads the whole document. What is wrong goes into the report; the rules are complete only if nothing is.
pub(super) fn read(report: &mut Report<'_>, document: &Node, lists: &mut dyn ListFiles) -> Vec<FileRule> {
    Reader { report, lists, names: HashMap::new() }.file(document)
}

struct Reader<'r, 's> {
    report: &'r mut Report<'s>,
    /// Where the lists that filters name are read from.
    lists: &'r mut dyn ListFiles,
    /// Names given so far, and the line of each.
    names: HashMap<String, usize>,
}

/// The values of a rule's keys.
struct Keys<'n> {
    rule: &'n Node,
    filter: Option<&'n Node>,
    kind: Option<&'n Node>,
    target: Option<&'n Node>,
    name: Option<&'n Node>,
    per: Option<&'n Node>,
    limit: Option<&'n Node>,
    log: Option<&'n Node>,
    sample: Option<&'n Node>,
}

impl Reader<'_, '_> {
    fn file(&mut self, document: &Node) -> Vec<FileRule> {
        let [version, rules] = self.values(document, FILE_KEYS, "a rule file").unwrap_or_default();
        if let Some(version) = version {
            self.version(version);
        }
        let Some(rules) = rules else {
            if matches!(document.value, Value::Table(_) | Value::Null) {
                let finding = self.report.add(document.span.clone(), "the key `rules` is missing");
                finding.expected("`rules:` and a list of rules");
            }
            return Vec::new();
        };
        match &rules.value {
            Value::Null => Vec::new(),
            Value::List(items) => self.rules(items),
            other => {
                let message = format!("`rules` is {}", other.kind());
                self.report.add(rules.span.clone(), message).expected("a list of rules");
                Vec::new()
            }
        }
    }

    /// The values of the known keys; unknown keys and keys given twice are errors. `None` if the node is no table.
    fn values<'n, const N: usize>(
        &mut self,
        node: &'n Node,
        known: [&'static str; N],
        what: &str,
    ) -> Option<[Option<&'n Node>; N]> {
        let mut values: [Option<(&Node, &Node)>; N] = [None; N];
        let entries = match &node.value {
            Value::Table(entries) => entries.as_slice(),
            Value::Null => &[],
            other => {
                let message = format!("{what} is a table, this is {}", other.kind());
                self.report.add(node.span.clone(), message).expected(keys_in_words(&known));
                return None;
            }
        };
        for (key, value) in entries {
            let word = self.text(key).unwrap_or_default();
            let slot = known.iter().position(|name| *name == word).and_then(|index| values.get_mut(index));
            match slot {
                None => {
                    let finding = self.report.add(key.span.clone(), format!("{what} has no key {}", quoted(&word)));
                    finding.expected(keys_in_words(&known)).suggest_word(nearest(&word, known));
                }
                Some(Some((first, _))) => {
                    let line = self.report.line(first.span.start);
                    let finding = self.report.add(key.span.clone(), format!("the key `{word}` is given twice"));
                    finding.suggest(format!("remove one of them; the first is in line {line}"));
                }
                Some(slot) => *slot = Some((key, value)),
            }
        }
        Some(values.map(|slot| slot.map(|(_, value)| value)))
    }

    fn version(&mut self, node: &Node) {
        let version = self.text(node);
        if !matches!(version.as_deref(), Some("" | "0" | "1")) {
            let found = version.map_or_else(|| node.value.kind().to_owned(), |text| quoted(&text));
            let message = format!("unsupported version of the rule file: {found}");
            self.report.add(node.span.clone(), message).expected("1");
        }
    }

    fn rules(&mut self, items: &[Node]) -> Vec<FileRule> {
        if let Some(surplus) = items.get(MAX_RULES) {
            let message = format!("{} rules, more than the limit of {MAX_RULES}", items.len());
            self.report.add(surplus.span.clone(), message).suggest("match several ports or networks with one rule");
            return Vec::new();
        }
        items.iter().enumerate().filter_map(|(position, item)| self.rule(position, item)).collect()
    }

    /// Reads every part of a rule before giving up on it, so that all its errors are found.
    fn rule(&mut self, position: usize, rule: &Node) -> Option<FileRule> {
        let [filter, kind, target, name, per, limit, log, sample, datapath] = self.values(rule, RULE_KEYS, "a rule")?;
        let keys = Keys { rule, filter, kind, target, name, per, limit, log, sample };
        let filter = self.filter(keys.filter);
        let kind = self.kind(&keys);
        let action = kind.and_then(|kind| self.action(kind, &keys));
        let is_glutton_proxy = kind == Some(Kind::ConnHandler) && !matches!(action, Some(Action::Handler(_)));
        // That name selects the proxy, and several rules may have it: it is not the name of the rule.
        let name = if is_glutton_proxy { None } else { keys.name.and_then(|name| self.name(name)) };
        let scope = self.scope(&keys, action.as_ref());
        let limit = self.portion(keys.limit, "limit", portion::LIMIT, portion::limit);
        let sample = self.portion(keys.sample, "sample", portion::SAMPLE, portion::sample);
        let log = keys.log.map_or(Some(true), |node| self.word(node, "value of `log`", &TRUTHS));
        let datapath = datapath.map_or(Some(None), |node| self.word(node, "datapath", &DATAPATHS).map(Some));
        let action = action?;
        let target_ignored =
            matches!(kind, Some(Kind::Pass | Kind::Drop | Kind::Reject | Kind::LogTcp | Kind::LogHttp))
                && keys.target.is_some_and(|target| !matches!(target.value, Value::Null));
        let name = name.unwrap_or_default();
        let rule = Rule::new(action);
        let rule = Rule {
            position,
            name,
            scope: scope?,
            limit: limit?,
            sample: sample?,
            log: log?,
            datapath: datapath?,
            ..rule
        };
        Some(FileRule { filter: filter?, rule, line: self.report.line(keys.rule.span.start), target_ignored })
    }

    fn filter(&mut self, node: Option<&Node>) -> Option<Filter> {
        let text = match node {
            Some(node) => self.plain_text(node, "`match`", "pcap-filter text; put it in quotes")?,
            None => String::new(),
        };
        let error = match Filter::parse_with(&text, self.lists) {
            Ok(filter) => return Some(filter),
            Err(error) => error,
        };
        let scalar = node.map_or(0..0, |node| node.span.clone());
        let raw = self.report.slice(&scalar);
        for error in std::iter::once(&error).chain(&error.others) {
            let span = position::in_scalar(raw, &text, &error.span)
                .map_or(scalar.clone(), |within| scalar.start + within.start..scalar.start + within.end);
            self.report.add_filter_error(span, error);
        }
        None
    }

    fn kind(&mut self, keys: &Keys<'_>) -> Option<Kind> {
        if let Some(node) = keys.kind {
            return self.word(node, "rule type", &TYPES);
        }
        let finding = self.report.add(keys.rule.span.clone(), "the rule has no `type`");
        finding.expected(names_in_words(&TYPES));
        None
    }

    fn scope(&mut self, keys: &Keys<'_>, action: Option<&Action>) -> Option<Scope> {
        let Some(per) = keys.per else {
            return Some(Scope::Flow);
        };
        let scope = self.word(per, "scope", &SCOPES)?;
        let for_flows_only = action.filter(|action| !matches!(action, Action::Pass | Action::Drop | Action::Reject));
        if let (Scope::Packet, Some(action)) = (scope, for_flows_only) {
            let message = format!("`{}` decides for whole flows, not per packet", action.kind());
            self.report.add(per.span.clone(), message).expected("`per: packet` with pass, drop or reject only");
        }
        Some(scope)
    }

    /// How much a rule takes; `Some(None)` is all, `None` a mistake.
    fn portion<T>(
        &mut self,
        node: Option<&Node>,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        let Some(node) = node else { return Some(None) };
        let text = self.plain_text(node, &format!("`{key}`"), expected)?;
        let portion = parse(&text);
        if portion.is_none() {
            self.report.add(node.span.clone(), format!("{} is no {key}", quoted(&text))).expected(expected);
        }
        portion.map(Some)
    }

    fn action(&mut self, kind: Kind, keys: &Keys<'_>) -> Option<Action> {
        match kind {
            Kind::Pass => Some(Action::Pass),
            Kind::Drop => Some(Action::Drop),
            Kind::Reject => Some(Action::Reject),
            Kind::LogTcp => Some(Action::Handler("log_tcp".to_owned())),
            Kind::LogHttp => Some(Action::Handler("log_http".to_owned())),
            Kind::Rewrite => self.target(keys, target::REWRITE, target::rewrite),
            Kind::Proxy => self.target(keys, target::PROXY, |text| target::proxy(text).map(Action::Proxy)),
            Kind::ProxySsh => self.target(keys, target::PROXY, |text| target::proxy(text).map(Action::ProxySsh)),
            Kind::Handler => self.target(keys, target::HANDLER, |text| target::handler(text).map(Action::Handler)),
            Kind::ConnHandler => match self.glutton_proxy(keys) {
                Some(proxy) => self.action(proxy, keys),
                None => self.action(Kind::Handler, keys),
            },
        }
    }

    /// The proxy that the name of a `conn_handler` rule selects when its target is an address.
    fn glutton_proxy(&self, keys: &Keys<'_>) -> Option<Kind> {
        let target = self.text(keys.target?)?;
        let name = self.text(keys.name?)?;
        let proxy = GLUTTON_PROXIES.iter().find(|(selector, _)| *selector == name)?.1;
        target.contains(':').then_some(proxy)
    }

    fn target<T>(
        &mut self,
        keys: &Keys<'_>,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, TargetError>,
    ) -> Option<T> {
        let text = match keys.target {
            Some(node) => self.plain_text(node, "`target`", expected)?,
            None => String::new(),
        };
        let node = keys.target.filter(|_| !text.is_empty());
        let Some(node) = node else {
            let place = keys.target.or(keys.kind).unwrap_or(keys.rule);
            self.report.add(place.span.clone(), "the rule needs a `target`").expected(expected);
            return None;
        };
        parse(&text).map_err(|error| self.target_error(node, error)).ok()
    }

    fn target_error(&mut self, node: &Node, error: TargetError) {
        let finding = self.report.add(node.span.clone(), error.message);
        finding.expected(error.expected);
        if let Some(mend) = error.mend {
            finding.suggest(mend);
        }
    }

    fn name(&mut self, node: &Node) -> Option<String> {
        let name = self.plain_text(node, "`name`", "text")?;
        if name.is_empty() {
            return None;
        }
        if name.starts_with('#') || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            let message = format!("{} cannot be the name of a rule", quoted(&name));
            let finding = self.report.add(node.span.clone(), message);
            finding.expected(format!("up to {MAX_NAME_CHARS} characters, not starting with `#`"));
            return None;
        }
        let line = self.report.line(node.span.start);
        if let Some(first) = self.names.insert(name.clone(), line) {
            let message = format!("the name {} is given twice", quoted(&name));
            self.report
                .add(node.span.clone(), message)
                .suggest(format!("rename one of them; the first is in line {first}"));
        }
        Some(name)
    }

    /// One word of a table.
    fn word<T: Copy>(&mut self, node: &Node, what: &str, table: &[(&'static str, T)]) -> Option<T> {
        let word = self.plain_text(node, what, &names_in_words(table))?;
        let found = table.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let finding = self.report.add(node.span.clone(), format!("unknown {what} {}", quoted(&word)));
            let near = nearest(&word, table.iter().map(|(name, _)| *name));
            finding.expected(names_in_words(table)).suggest_word(near);
        }
        found
    }

    /// The text of a plain value, trimmed; lists and tables are errors.
    fn plain_text(&mut self, node: &Node, what: &str, expected: &str) -> Option<String> {
        let text = self.text(node);
        if text.is_none() {
            let message = format!("{what} is {}", node.value.kind());
            self.report.add(node.span.clone(), message).expected(expected);
        }
        text
    }

    /// The text of a plain value, trimmed; empty for nothing.
    fn text(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Null => Some(String::new()),
            Value::Text(text) => Some(text.trim().to_owned()),
            Value::Plain => Some(self.report.slice(&node.span).trim().to_owned()),
            Value::List(_) | Value::Table(_) => None,
        }
    }
}

fn keys_in_words(keys: &[&str]) -> String {
    keys.join(", ")
}

fn names_in_words<T>(table: &[(&str, T)]) -> String {
    table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

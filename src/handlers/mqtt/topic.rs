//! Topic names and filters (MQTT 3.1.1 and 5.0, section 4.7).

/// Levels of a topic (mosquitto's own limit).
const MAX_LEVELS: usize = 200;

/// A name that something can be published to.
pub(super) fn is_name(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#']) && topic.split('/').count() <= MAX_LEVELS
}

/// A filter that something can be subscribed with: `+` fills a level, `#` the last one.
pub(super) fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.split('/').count() > MAX_LEVELS {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        let fits = match level {
            "+" => true,
            "#" => is_last,
            _ => !level.contains(['+', '#']),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Splits `$share/GROUP/FILTER` (MQTT 5 section 4.8.2) into group and filter. `None`: no group has such a name. Empty groups and
/// filters, and `$share/` with nothing to follow, are taken as mosquitto takes them.
pub(super) fn shared(filter: &str) -> Option<(Option<&str>, &str)> {
    match filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        None => Some((None, filter)),
        Some((group, filter)) => (!group.contains(['+', '#'])).then_some((Some(group), filter)),
    }
}

/// The order in which mosquitto's tree finds filters that match the same topic: at each level the name, then `+`, then `#`.
pub(super) fn rank(filter: &str) -> Vec<u8> {
    let level = |level| match level {
        "+" => 1,
        "#" => 2,
        _ => 0,
    };
    filter.split('/').map(level).collect()
}

/// Wildcards at the first level do not match topics that begin with `$` (section 4.7.2).
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        for (filter, topic) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a/b"),
            ("+/+", "/a"),
            ("$SYS/#", "$SYS/x"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in
            [("a/+", "a"), ("a/+", "a/b/c"), ("a", "a/b"), ("#", "$SYS/x"), ("+/x", "$SYS/x"), ("+", "/a")]
        {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn names_and_filters_are_checked() {
        assert!(["#", "+", "a/+/b", "a/#", "/", "$SYS/#"].iter().all(|filter| is_filter(filter)));
        assert!(!["", "a#", "a/#/b", "a+", "+a/b"].iter().any(|filter| is_filter(filter)));
        assert!(is_name("a/b") && !is_name("a/+") && !is_name("") && !is_name(&"/".repeat(200)));
        assert_eq!(shared("$share/g/a/b"), Some((Some("g"), "a/b")));
        assert_eq!(shared("$share/g+/a"), None);
        assert_eq!(shared("$share/g"), Some((None, "$share/g")));
        assert_eq!(shared("a"), Some((None, "a")));
    }
}

//! Filling in `iptables/rules.template`.

/// A placeholder's values, by its name.
pub(super) type Values<'a> = &'a [(&'a str, Vec<String>)];

/// Writes every line of `template` once for each value of each placeholder in it; a placeholder without values drops
/// the line, an empty value leaves one blank. Comments, blank lines and tables that nothing is left of are left out. A
/// placeholder that `values` does not know stays as it is, which iptables refuses.
pub(super) fn expand(template: &str, values: Values<'_>) -> String {
    let mut text = String::new();
    for line in template.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "COMMIT" && drop_empty_table(&mut text) {
            continue;
        }
        for filled in fill(line, values) {
            text.push_str(&filled.replace("  ", " "));
            text.push('\n');
        }
    }
    text
}

/// Takes a table out that has just begun; an empty one would still make iptables load or make it.
fn drop_empty_table(text: &mut String) -> bool {
    let begin = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
    let is_empty = text.get(begin..).is_some_and(|line| line.starts_with('*'));
    if is_empty {
        text.truncate(begin);
    }
    is_empty
}

fn fill(line: &str, values: Values<'_>) -> Vec<String> {
    let mut lines = vec![line.to_owned()];
    for (name, options) in values {
        let placeholder = format!("{{{name}}}");
        if line.contains(&placeholder) {
            lines =
                lines.iter().flat_map(|line| options.iter().map(|option| line.replace(&placeholder, option))).collect();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_for_every_value_and_dropped_without_one() {
        let values = [
            ("a", vec!["1".to_owned(), "2".to_owned()]),
            ("b", vec!["x".to_owned(), "y".to_owned()]),
            ("none", Vec::new()),
            ("empty", vec![String::new()]),
        ];
        let text = expand("# a comment\n\nplain\n{a} {empty} {b}\nnot {none} {a}\n", &values);
        assert_eq!(text, "plain\n1 x\n1 y\n2 x\n2 y\n");
    }

    #[test]
    fn a_table_without_lines_is_left_out() {
        let values = [("a", vec!["1".to_owned()]), ("none", Vec::new())];
        let table = |line: &str| format!("*nat\n{line}\nCOMMIT\n");
        let text = expand(&[table("{none}"), table("{a}"), table("{none}")].concat(), &values);
        assert_eq!(text, table("1"));
    }
}

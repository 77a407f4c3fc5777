//! The README says what the code says.

use glutton_nfq::config::settings_markdown;

const README: &str = include_str!("../README.md");

#[test]
fn the_table_of_options_is_the_one_that_the_program_uses() {
    let table = settings_markdown();
    let (_, rest) = README.split_once("<!-- options -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- /options -->").unwrap();
    assert!(shown == table, "put this between the markers:\n{table}");
}

#[test]
fn files_that_are_linked_exist() {
    for link in README.split("](").skip(1) {
        let path = link.split(')').next().unwrap();
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
}

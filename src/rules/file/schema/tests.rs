//! The JSON schema that editors use says what the loader says.

use regex::Regex;
use serde_json::Value as Json;

use super::*;
use crate::rules::RuleSet;

const SCHEMA: &str = include_str!("../../../../rules/rules.schema.json");

fn schema() -> Json {
    serde_json::from_str(SCHEMA).unwrap()
}

/// As much of JSON Schema as our schema uses; a keyword that is not here fails the test.
fn accepts(root: &Json, schema: &Json, value: &Json) -> bool {
    let table = schema.as_object().unwrap();
    table.iter().all(|(keyword, wanted)| match keyword.as_str() {
        "$schema" | "title" | "description" | "$defs" | "then" => true,
        "$ref" => accepts(root, root.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap(), value),
        "type" => match wanted {
            Json::Array(kinds) => kinds.iter().any(|kind| is_of_type(value, kind)),
            kind => is_of_type(value, kind),
        },
        "enum" => wanted.as_array().unwrap().contains(value),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
        "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap()),
        "pattern" => value.as_str().is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| accepts(root, wanted, item))),
        "required" => value
            .as_object()
            .is_none_or(|keys| wanted.as_array().unwrap().iter().all(|key| keys.contains_key(key.as_str().unwrap()))),
        "properties" => value.as_object().is_none_or(|keys| {
            wanted
                .as_object()
                .unwrap()
                .iter()
                .all(|(key, wanted)| keys.get(key).is_none_or(|v| accepts(root, wanted, v)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|keys| {
            let known = schema["properties"].as_object().unwrap();
            keys.keys().all(|key| known.contains_key(key))
        }),
        "allOf" => wanted.as_array().unwrap().iter().all(|part| accepts(root, part, value)),
        "if" => !accepts(root, wanted, value) || accepts(root, &schema["then"], value),
        other => panic!("the schema uses `{other}`, which this test does not know"),
    })
}

fn is_of_type(value: &Json, kind: &Json) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type: {other}"),
    }
}

fn is_valid(yaml: &str) -> bool {
    let value: Json = serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    accepts(&schema(), &schema(), &value)
}

fn words(values: &Json) -> Vec<&str> {
    values.as_array().unwrap().iter().filter_map(Json::as_str).collect()
}

fn names<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(name, _)| *name).collect()
}

#[test]
fn the_schema_has_the_keys_and_words_of_the_loader() {
    let schema = schema();
    let rule = &schema["$defs"]["rule"]["properties"];
    let keys = |table: &Json| table.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&schema["properties"]), FILE_KEYS);
    assert_eq!(keys(rule), RULE_KEYS);
    assert_eq!(words(&rule["type"]["enum"]), names(&TYPES));
    assert_eq!(words(&rule["per"]["enum"]), names(&SCOPES));
    assert_eq!(words(&rule["log"]["enum"]), names(&TRUTHS));
    assert_eq!(words(&rule["datapath"]["enum"]), names(&DATAPATHS));
    let limit = rule["limit"]["pattern"].as_str().unwrap();
    assert!(limit.contains(&format!("({})", names(&portion::PERIODS).join("|"))), "{limit}");
    assert!(limit.contains(&format!("({})", names(&portion::SHARES).join("|"))), "{limit}");
    assert_eq!(schema["properties"]["rules"]["maxItems"], MAX_RULES);
    assert_eq!(rule["name"]["maxLength"], MAX_NAME_CHARS);
    assert_eq!(rule["match"]["maxLength"], crate::rules::filter::MAX_TEXT_LEN);
}

#[test]
fn every_shipped_rule_file_is_valid() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "yml")).collect();
    assert!(files.len() >= 6, "{files:?}");
    for path in files {
        assert!(is_valid(&std::fs::read_to_string(&path).unwrap()), "{}", path.display());
    }
}

#[test]
fn schema_and_loader_agree_on_what_a_rule_may_say() {
    for (rule, good) in [
        ("{type: drop}", true),
        ("{type: drop, limit: 10/m per src, sample: 1/100, log: false, per: packet}", true),
        ("{type: log_tcp, match: tcp, name: web, limit: 1000000/d}", true),
        ("{type: rewrite, target: 22}", true),
        ("{type: proxy, target: 'tcp://10.0.0.1:22', per: flow}", true),
        ("{match: tcp}", false),
        ("{type: dorp}", false),
        ("{type: drop, mach: tcp}", false),
        ("{type: rewrite}", false),
        ("{type: handler, target: }", false),
        ("{type: proxy, target: '10.0.0.1:22', per: packet}", false),
        ("{type: drop, per: session}", false),
        ("{type: drop, limit: 10}", false),
        ("{type: drop, limit: 10/w}", false),
        ("{type: drop, limit: 0/s}", false),
        ("{type: drop, limit: 10/s per port}", false),
        ("{type: drop, sample: 1%}", false),
        ("{type: drop, log: maybe}", false),
        ("{type: log_tcp, datapath: userspace}", true),
        ("{type: log_tcp, datapath: kernel}", false),
        ("{type: drop, name: '#1'}", false),
        ("{type: drop, match: [tcp]}", false),
        ("tcp", false),
    ] {
        let file = format!("version: 1\nrules:\n- {rule}\n");
        assert_eq!(RuleSet::from_yaml(&file, "test.yml").is_ok(), good, "the loader, {rule}");
        assert_eq!(is_valid(&file), good, "the schema, {rule}");
    }
}

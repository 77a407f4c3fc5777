//! Android packages: what a file that is being installed is called (APPNOTE.TXT 4.3; AOSP `ResourceTypes.h`).

use crate::handlers::gzip::inflate;

/// Entries of an archive that are looked at.
const MAX_ENTRIES: usize = 4_096;
/// Bytes of a manifest.
const MAX_MANIFEST: usize = 256 * 1_024;
/// Chunks of a manifest that are looked at, and attributes of its first element.
const MAX_CHUNKS: usize = 64;
const MAX_ATTRIBUTES: usize = 64;

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// The package's name; `None` where the file is no package.
pub(super) fn package_name(file: &[u8]) -> Option<String> {
    let manifest = entry(file, b"AndroidManifest.xml")?;
    let mut strings: &[u8] = &[];
    let mut at = short(&manifest, 2)?;
    for _ in 0..MAX_CHUNKS {
        let chunk = manifest.get(at..)?;
        let length = long(chunk, 4).filter(|length| *length >= 8)?;
        match short(chunk, 0)? {
            STRINGS => strings = chunk,
            START_ELEMENT => return attribute(chunk, strings, "package").filter(|name| is_name(name)),
            _ => {}
        }
        at += length;
    }
    None
}

/// Chunk types of a binary XML file.
const STRINGS: usize = 0x0001;
const START_ELEMENT: usize = 0x0102;

/// As a package may be called; it comes to stand in answers.
fn is_name(name: &str) -> bool {
    name.len() <= 128 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
}

/// The content of one entry of a ZIP archive.
fn entry(file: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let end = file.get(memchr::memmem::rfind(file, b"PK\x05\x06")?..)?;
    let mut at = long(end, 16)?;
    for _ in 0..short(end, 10)?.min(MAX_ENTRIES) {
        let head = file.get(at..).filter(|head| head.starts_with(b"PK\x01\x02"))?;
        let (name, extra, comment) = (short(head, 28)?, short(head, 30)?, short(head, 32)?);
        if head.get(46..46 + name)? != wanted {
            at += 46 + name + extra + comment;
            continue;
        }
        let local = file.get(long(head, 42)?..)?;
        let start = 30 + short(local, 26)? + short(local, 28)?;
        let packed = local.get(start..start.checked_add(long(head, 20)?)?)?;
        return match short(head, 10)? {
            0 => packed.get(..packed.len().min(MAX_MANIFEST)).map(<[u8]>::to_vec),
            8 => inflate(packed, MAX_MANIFEST),
            _ => None,
        };
    }
    None
}

/// The text of an element's attribute.
fn attribute(element: &[u8], strings: &[u8], wanted: &str) -> Option<String> {
    let (start, size, count) = (16 + short(element, 24)?, short(element, 26)?, short(element, 28)?);
    (0..count.min(MAX_ATTRIBUTES)).find_map(|at| {
        let attribute = element.get(start + at * size..)?;
        (string(strings, long(attribute, 4)?)? == wanted).then(|| string(strings, long(attribute, 8)?))?
    })
}

/// A string of the pool: UTF-8 or UTF-16, after its length.
fn string(pool: &[u8], at: usize) -> Option<String> {
    const UTF8: usize = 0x100;
    if at >= long(pool, 8)? {
        return None;
    }
    let place = long(pool, 20)?.checked_add(long(pool, short(pool, 2)?.checked_add(at.checked_mul(4)?)?)?)?;
    let text = pool.get(place..)?;
    if long(pool, 16)? & UTF8 == 0 {
        let units = text.get(2..)?.chunks_exact(2).take(short(text, 0)?);
        return String::from_utf16(
            &units.map(|pair| pair.iter().rev().fold(0, |unit, byte| unit << 8 | u16::from(*byte))).collect::<Vec<_>>(),
        )
        .ok();
    }
    // Names are short: one byte each for the characters and the bytes.
    let length = usize::from(*text.get(1)?);
    String::from_utf8(text.get(2..2 + length)?.to_vec()).ok()
}

/// A package of this name, for tests: a stored manifest with one element of one attribute.
#[cfg(test)]
pub(in crate::handlers) fn example(name: &str) -> Vec<u8> {
    let mut data = Vec::new();
    let mut offsets = Vec::new();
    for text in ["package", name] {
        offsets.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        data.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        data.extend(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    }
    let number = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let pool = [
        &[1, 0, 28, 0][..],
        &number(36 + data.len()),
        &number(2),
        &number(0),
        &number(0),
        &number(36),
        &number(0),
        &offsets,
        &data,
    ]
    .concat();
    let element = [
        &[2, 1, 16, 0][..],
        &number(56),
        &[0; 8],
        &[0xff; 8],
        &[20, 0, 20, 0, 1, 0],
        &[0; 6],
        &[0xff; 4],
        &number(0),
        &number(1),
        &[8, 0, 0, 3],
        &number(1),
    ]
    .concat();
    let manifest = [&[3, 0, 8, 0][..], &number(8 + pool.len() + element.len()), &pool, &element].concat();
    let file = b"AndroidManifest.xml";
    let local = [&b"PK\x03\x04"[..], &[0; 22], &[19, 0, 0, 0], file, &manifest].concat();
    let head =
        [&b"PK\x01\x02"[..], &[0; 16], &number(manifest.len()), &number(manifest.len()), &[19, 0], &[0; 16], file]
            .concat();
    let end = [&b"PK\x05\x06"[..], &[0; 4], &[1, 0, 1, 0], &number(head.len()), &number(local.len()), &[0; 2]].concat();
    [local, head, end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_says_its_name_and_what_is_none_says_nothing() {
        let package = example("com.ufo.miner");
        assert_eq!(package_name(&package).as_deref(), Some("com.ufo.miner"));
        for length in 0..package.len() {
            let _ = package_name(&package[..length]);
            let mut changed = package.clone();
            changed[length] ^= 0xff;
            let _ = package_name(&changed);
        }
        assert_eq!(package_name(b"PK\x05\x06 no package"), None);
        assert_eq!(package_name(&example("a b\n")), None);
    }
}

//! Directory entries and file information (MS-FSCC 2.4, 2.5), the same for SMB1 and SMB2.

use super::host::Host;
use super::wire::{EPOCH, Put, filetime, utf16};
use super::written::Entry;

/// UTIME (MS-CIFS 2.2.1.4.3) of a FILETIME: seconds since 1970.
pub(super) fn seconds(time: u64) -> u32 {
    u32::try_from(time.saturating_sub(EPOCH) / 10_000_000).unwrap_or(u32::MAX)
}

/// The FILETIME of a UTIME; 0, which leaves a time as it is, for 0 and all ones.
pub(super) fn time_of_seconds(seconds: u32) -> u64 {
    if matches!(seconds, 0 | u32::MAX) { 0 } else { u64::from(seconds) * 10_000_000 + EPOCH }
}

/// Date and time as DOS has them (MS-CIFS 2.2.1.4.1, 2.2.1.4.2): years from 1980 on, two seconds a step.
fn dos_time(time: u64) -> [u16; 2] {
    let micros = i64::try_from(time.saturating_sub(EPOCH) / 10).unwrap_or(i64::MAX);
    let Ok(time) = jiff::Timestamp::from_microsecond(micros) else { return [0; 2] };
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    let field = |value: i8| u16::try_from(value).unwrap_or(0);
    let year = u16::try_from(time.year() - 1980).unwrap_or(0).min(127);
    let date = year << 9 | field(time.month()) << 5 | field(time.day());
    [date, field(time.hour()) << 11 | field(time.minute()) << 5 | (field(time.second()) / 2)]
}

/// SMB_INFO_STANDARD, and from level 2 on the size of extended attributes (MS-CIFS 2.2.8.3.1, 2.2.8.3.2); of level 4 that size alone.
pub(super) fn standard(entry: &Entry, level: u16) -> Vec<u8> {
    let mut out = Vec::new();
    if level != 4 {
        let [created, accessed, written, _] = entry.times.0.map(dos_time);
        for part in [created, accessed, written].as_flattened() {
            out.put16(*part);
        }
        for size in [entry.size, entry.allocated()] {
            out.put32(u32::try_from(size).unwrap_or(u32::MAX));
        }
        out.put16(u16::try_from(entry.attributes()).unwrap_or(0));
    }
    if level > 1 {
        out.put32(0);
    }
    out
}

/// SMB_QUERY_FILE_ALL_INFO (MS-CIFS 2.2.8.3.8), which is shorter than the class of NT with this name.
pub(super) fn all(entry: &Entry, path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_times(&mut out, entry);
    out.put32(entry.attributes()).put32(0).put64(entry.allocated()).put64(entry.size);
    out.put32(u32::from(!entry.is_doomed));
    out.put8(entry.is_doomed.into()).put8(entry.is_directory.into()).put16(0).put32(0);
    out.put_len32(2 * path.encode_utf16().count()).put_utf16(path);
    out
}

/// The short name (MS-FSCC 2.1.5.2) that NTFS gives: the name itself where it is one.
fn short_name(name: &str) -> String {
    if matches!(name, "" | "." | "..") {
        return ".".to_owned();
    }
    let (base, extension) = name.rsplit_once('.').filter(|(base, _)| !base.is_empty()).unwrap_or((name, ""));
    let is_short =
        |text: &str, most: usize| text.len() <= most && !text.contains([' ', '.', '+', ',', ';', '=', '[', ']']);
    if is_short(base, 8) && is_short(extension, 3) {
        return name.to_owned();
    }
    let number = match name {
        "Program Files (x86)" => 2,
        "ProgramData" => 3,
        _ => 1,
    };
    let letters = |text: &str, most: usize| -> String {
        text.chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '$')
            .take(most)
            .collect::<String>()
            .to_uppercase()
    };
    let dot = if extension.is_empty() { "" } else { "." };
    format!("{}~{number}{dot}{}", letters(base, 6), letters(extension, 3))
}

/// Appends one directory entry of this class (MS-FSCC 2.4), its `NextEntryOffset` open; false for a class that there is not. Its name is in
/// UTF-16, unless an old visitor of SMB1 cannot read that.
pub(super) fn directory_entry(out: &mut Vec<u8>, class: u8, entry: &Entry, is_unicode: bool) -> bool {
    let name = if is_unicode { utf16(&entry.name) } else { entry.name.clone().into_bytes() };
    let len = name.len();
    out.put32(0).put32(0);
    if class != 0x0c {
        put_times(out, entry);
        out.put64(entry.size).put64(entry.allocated()).put32(entry.attributes());
    }
    out.put_len32(len);
    match class {
        // FileDirectoryInformation, FileNamesInformation
        0x01 | 0x0c => {}
        // FileFullDirectoryInformation
        0x02 => {
            out.put32(0);
        }
        // FileBothDirectoryInformation: EaSize, a short name.
        0x03 => {
            put_short_name(out.put32(0), &entry.name);
        }
        // FileIdBothDirectoryInformation
        0x25 => {
            put_short_name(out.put32(0), &entry.name);
            out.put16(0).put64(entry.index);
        }
        // FileIdFullDirectoryInformation
        0x26 => {
            out.put32(0).put32(0).put64(entry.index);
        }
        _ => return false,
    }
    out.put(&name);
    if !is_unicode {
        // Beyond its length, such a name has an end mark.
        out.put8(0);
    }
    true
}

/// The short name that a name has besides itself: its length, something reserved, twelve letters.
fn put_short_name(out: &mut Vec<u8>, name: &str) {
    let short = Some(short_name(name)).filter(|short| short != name && short != ".").unwrap_or_default();
    let mut text = utf16(&short);
    let len = u8::try_from(text.len()).unwrap_or(0);
    text.resize(24, 0);
    out.put8(len).put8(0).put(&text);
}

/// Four times (MS-FSCC 2.4.7): creation, last access, last write, change.
pub(super) fn put_times(out: &mut Vec<u8>, entry: &Entry) {
    for time in entry.times.0 {
        out.put64(time);
    }
}

/// Information about a file (MS-FSCC 2.4) by its class; `None` for one that there is not. `path` begins with a backslash.
pub(super) fn file(class: u16, entry: &Entry, path: &str, (access, position): (u32, u64)) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let name: Vec<u16> = path.encode_utf16().collect();
    let basic = |out: &mut Vec<u8>| {
        put_times(out, entry);
        out.put32(entry.attributes()).put32(0);
    };
    let standard = |out: &mut Vec<u8>| {
        out.put64(entry.allocated()).put64(entry.size).put32(u32::from(!entry.is_doomed));
        out.put8(entry.is_doomed.into()).put8(entry.is_directory.into()).put16(0);
    };
    match class {
        4 => basic(&mut out),
        5 => standard(&mut out),
        6 => {
            out.put64(entry.index);
        }
        // Extended attributes, alignment: none.
        7 | 17 => {
            out.put32(0);
        }
        8 => {
            out.put32(access);
        }
        14 => {
            out.put64(position);
        }
        16 => {
            out.put32(0);
        }
        18 => {
            basic(&mut out);
            standard(&mut out);
            out.put64(entry.index).put32(0).put32(access).put64(position).put32(0).put32(0).put_len32(2 * name.len());
            for unit in name {
                out.put16(unit);
            }
        }
        9 => {
            out.put_len32(2 * name.len());
            for unit in name {
                out.put16(unit);
            }
        }
        21 => {
            let short = utf16(&short_name(&entry.name));
            out.put_len32(short.len()).put(&short);
        }
        22 if entry.is_directory => {}
        22 => {
            out.put32(0).put32(14).put64(entry.size).put64(entry.allocated()).put_utf16("::$DATA");
        }
        // Not compressed.
        28 => {
            out.put64(entry.size).put64(0);
        }
        34 => {
            put_times(&mut out, entry);
            out.put64(entry.allocated()).put64(entry.size).put32(entry.attributes()).put32(0);
        }
        35 => {
            out.put32(entry.attributes()).put32(0);
        }
        _ => return None,
    }
    Some(out)
}

/// Clusters of the drive, and how many are free.
const CLUSTERS: u64 = 15_602_431;
const FREE: u64 = 9_811_306;

/// What the drive is called: without a label, clients of Samba take the answer for broken.
pub(super) const LABEL: &str = "System";

/// SMB_INFO_ALLOCATION (MS-CIFS 2.2.8.2.1): no number of the file system, sectors of a cluster, clusters, free ones, bytes of a sector.
pub(super) fn allocation() -> Vec<u8> {
    let mut out = Vec::new();
    out.put32(0).put32(8);
    for count in [CLUSTERS, FREE] {
        out.put32(u32::try_from(count).unwrap_or(u32::MAX));
    }
    out.put16(512);
    out
}

/// Information about the volume (MS-FSCC 2.5) by its class.
pub(super) fn volume(class: u16, host: &Host) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match class {
        1 => {
            out.put64(filetime(host.installed)).put32(host.volume_serial);
            out.put_len32(2 * LABEL.len()).put8(1).put8(0).put_utf16(LABEL);
        }
        // Sectors of a cluster and bytes of a sector.
        3 => {
            out.put64(CLUSTERS).put64(FREE).put32(8).put32(512);
        }
        // A disk that is mounted.
        4 => {
            out.put32(7).put32(0x20);
        }
        5 => {
            out.put32(0x00c7_00ff).put32(255).put32(8).put_utf16("NTFS");
        }
        // Quotas: none are kept.
        6 => {
            out.put(&[0; 24]).put64(u64::MAX).put64(u64::MAX).put32(0).put32(0);
        }
        // The number of the volume as an object.
        8 => {
            out.put(&host.guid).put(&[0; 48]);
        }
        7 => {
            out.put64(CLUSTERS).put64(FREE).put64(FREE).put32(8).put32(512);
        }
        _ => return None,
    }
    Some(out)
}

/// The same for a pipe, which has only few.
pub(super) fn pipe(class: u16) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match class {
        5 => {
            out.put64(4096).put64(0).put32(1).put8(1).put8(0).put16(0);
        }
        // FilePipeInformation, FilePipeLocalInformation (MS-FSCC 2.4.37, 2.4.38).
        23 => {
            out.put32(1).put32(0);
        }
        24 => {
            out.put32(1).put32(2).put32(u32::MAX).put32(1).put32(0x1000).put32(0).put32(0x1000).put32(0x1000);
            out.put32(3).put32(1);
        }
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn short_names_are_those_of_ntfs() {
        for (name, short) in [
            ("", "."),
            ("Windows", "Windows"),
            ("win.ini", "win.ini"),
            ("Program Files", "PROGRA~1"),
            ("Program Files (x86)", "PROGRA~2"),
            ("ProgramData", "PROGRA~3"),
            ("$Recycle.Bin", "$Recycle.Bin"),
            ("desktop.backup", "DESKTO~1.BAC"),
        ] {
            assert_eq!(short_name(name), short, "{name}");
        }
    }

    #[test]
    fn times_of_dos_have_two_seconds_a_step() {
        // 2024-12-19 08:48:15 UTC.
        let time = filetime(Timestamp::from_micros(1_734_598_095_000_000));
        assert_eq!(dos_time(time), [0x5993, 0x4607]);
        assert_eq!(dos_time(EPOCH), [0x0021, 0]);
        assert_eq!(time_of_seconds(seconds(time)), time);
    }
}

//! Directory entries and file information (MS-FSCC 2.4, 2.5), the same for SMB1 and SMB2.

use super::disk::Entry;
use super::host::Host;
use super::wire::{Put, filetime, utf16};

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
        // FileBothDirectoryInformation: EaSize, no short name.
        0x03 => {
            out.put32(0).put(&[0; 26]);
        }
        // FileIdBothDirectoryInformation
        0x25 => {
            out.put32(0).put(&[0; 26]).put16(0).put64(entry.index);
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

/// Four times (MS-FSCC 2.4.7): creation, last access, last write, change.
pub(super) fn put_times(out: &mut Vec<u8>, entry: &Entry) {
    for _ in 0..4 {
        out.put64(filetime(entry.time));
    }
}

/// Information about a file (MS-FSCC 2.4) by its class; `None` for one that there is not. `path` begins with a backslash.
pub(super) fn file(class: u16, entry: &Entry, path: &str, deletes: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let name: Vec<u16> = path.encode_utf16().collect();
    let basic = |out: &mut Vec<u8>| {
        put_times(out, entry);
        out.put32(entry.attributes()).put32(0);
    };
    let standard = |out: &mut Vec<u8>| {
        out.put64(entry.allocated()).put64(entry.size).put32(1);
        out.put8(deletes.into()).put8(entry.is_directory.into()).put16(0);
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
            out.put32(0x001f_01ff);
        }
        14 => {
            out.put64(0);
        }
        16 => {
            out.put32(0);
        }
        18 => {
            basic(&mut out);
            standard(&mut out);
            out.put64(entry.index).put32(0).put32(0x001f_01ff).put64(0).put32(0).put32(0).put_len32(2 * name.len());
            for unit in name {
                out.put16(unit);
            }
        }
        9 | 21 => {
            out.put_len32(2 * name.len());
            for unit in name {
                out.put16(unit);
            }
        }
        22 if entry.is_directory => {}
        22 => {
            out.put32(0).put32(14).put64(entry.size).put64(entry.allocated()).put_utf16("::$DATA");
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

/// Information about the volume (MS-FSCC 2.5) by its class.
pub(super) fn volume(class: u16, host: &Host) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match class {
        // FileFsVolumeInformation: no label.
        1 => {
            out.put64(filetime(host.installed)).put32(host.volume_serial).put32(0).put8(1).put8(0);
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

//! Digests of files: `md5sum` and its kin.

use data_encoding::HEXLOWER;
use md5::Md5;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sha2::{Digest, Sha256, Sha512};

use super::super::run::{Io, Run};
use super::{has_flag, lossy, operands_beside};

/// A digest in hexadecimal.
type Sum = fn(&[u8]) -> String;

pub(super) fn md5sum(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    sums(run, words, io, |bytes| HEXLOWER.encode(&Md5::digest(bytes)))
}

pub(super) fn sha1sum(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    sums(run, words, io, |bytes| HEXLOWER.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref()))
}

pub(super) fn sha256sum(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    sums(run, words, io, |bytes| HEXLOWER.encode(&Sha256::digest(bytes)))
}

pub(super) fn sha512sum(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    sums(run, words, io, |bytes| HEXLOWER.encode(&Sha512::digest(bytes)))
}

fn sums(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, sum: Sum) -> u8 {
    let paths = operands_beside(words, b"");
    if has_flag(words, b'c') {
        return check(run, words, &paths, sum, io);
    }
    let (found, status) = run.inputs(io, words, &paths, "can't open");
    for (name, bytes) in found {
        run.charge(bytes.len() / 4_096);
        let name = if name.is_empty() { "-".to_owned() } else { lossy(&name) };
        run.print_line(io.out, &format!("{}  {name}", sum(&bytes)));
    }
    status
}

/// `-c`: each line names a digest and a file.
fn check(run: &mut Run<'_, '_>, words: &[Vec<u8>], paths: &[&[u8]], sum: Sum, io: Io) -> u8 {
    let (found, mut status) = run.inputs(io, words, paths, "can't open");
    let is_silent = has_flag(words, b's');
    let (mut failed, mut all) = (0, 0);
    let lists: Vec<u8> = found.into_iter().flat_map(|(_, bytes)| bytes).collect();
    for line in lists.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        let line = lossy(line);
        let Some((wanted, name)) = line.split_once(' ') else { continue };
        let name = name.trim_start_matches([' ', '*']);
        all += 1;
        run.charge(1);
        if run.is_spent() {
            return 1;
        }
        let path = run.path(name.as_bytes());
        let given = run.files.content(&path).map(|bytes| sum(&bytes));
        if let Err(fault) = given {
            run.fail_at(io, words, "can't open", name.as_bytes(), fault);
        }
        let is_right = given.is_ok_and(|given| given == wanted);
        failed += u32::from(!is_right);
        if !is_silent {
            run.print_line(io.out, &format!("{name}: {}", if is_right { "OK" } else { "FAILED" }));
        }
    }
    if failed > 0 {
        status = 1;
        if !is_silent {
            run.fail(io, words, &format!("WARNING: {failed} of {all} computed checksums did NOT match"));
        }
    }
    status
}

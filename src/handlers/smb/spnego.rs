//! SPNEGO (RFC 4178, MS-SPNG): the envelope of NTLMSSP. Only what a server says and what it must find.

/// 1.3.6.1.4.1.311.2.2.10
const NTLMSSP: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];
/// 1.3.6.1.4.1.311.2.2.30
const NEGOEX: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x1e];
/// 1.3.6.1.5.5.2
const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// How every NTLM message begins (MS-NLMP 2.2.1).
pub(super) const SIGNATURE: &[u8] = b"NTLMSSP\0";

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
/// A NegTokenInit in its frame, a NegTokenResp, and the fields that both have (RFC 4178 section 4.2).
const INITIAL: u8 = 0x60;
const RESPONSE: u8 = 0xa1;
const MECHANISMS: u8 = 0xa0;
const TOKEN: u8 = 0xa2;
const MIC: u8 = 0xa3;

/// One element in DER (X.690 section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut out = vec![tag];
    match u8::try_from(len) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
            out.extend([0x82, high, low]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// What the server offers in its negotiate response: NegTokenInit2 (MS-SPNG 2.2.1) with NEGOEX and NTLMSSP, as a machine without domain does.
pub(super) fn offer() -> Vec<u8> {
    let mechanisms = der(0xa0, &der(SEQUENCE, &[der(OID, NEGOEX), der(OID, NTLMSSP)].concat()));
    let hint = der(0xa0, &der(0x1b, b"not_defined_in_RFC4178@please_ignore"));
    let hints = der(0xa3, &der(SEQUENCE, &hint));
    let token = der(0xa0, &der(SEQUENCE, &[mechanisms, hints].concat()));
    der(0x60, &[der(OID, SPNEGO), token].concat())
}

/// How far the negotiation is: NegState (RFC 4178 section 4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Completed = 0,
    Incomplete = 1,
}

/// NegTokenResp (RFC 4178 section 4.2.2) while the login goes on: the first one names the mechanism.
pub(super) fn go_on(token: Option<&[u8]>) -> Vec<u8> {
    let token = token.map(|token| der(TOKEN, &der(OCTETS, token))).unwrap_or_default();
    response(State::Incomplete, &[der(0xa1, &der(OID, NTLMSSP)), token].concat())
}

/// The last one; with the proof that nobody changed the list of mechanisms, when the visitor gave its own.
pub(super) fn done(mic: Option<[u8; 16]>) -> Vec<u8> {
    response(State::Completed, &mic.map(|mic| der(MIC, &der(OCTETS, &mic))).unwrap_or_default())
}

fn response(state: State, fields: &[u8]) -> Vec<u8> {
    let state = der(0xa0, &der(0x0a, &[state as u8]));
    der(RESPONSE, &der(SEQUENCE, &[&state, fields].concat()))
}

/// What a visitor's security blob holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Blob<'a> {
    /// The NTLM message, whatever is around it.
    pub(super) ntlm: Option<&'a [u8]>,
    /// It came in SPNEGO, so the answer does, too.
    pub(super) in_spnego: bool,
    /// The mechanisms that a first token offers, in DER: what the proof at the end is made over.
    pub(super) mechanisms: Option<&'a [u8]>,
    /// A proof of them comes with it, and one is expected.
    pub(super) has_mic: bool,
}

/// Finds the NTLM message: bare or in a NegTokenInit or NegTokenResp. Its fields carry their own offsets, so what follows does no harm.
pub(super) fn open(blob: &[u8]) -> Blob<'_> {
    let ntlm = memchr::memmem::find(blob, SIGNATURE).and_then(|at| blob.get(at..));
    let in_spnego = matches!(blob.first(), Some(&(INITIAL | MECHANISMS | RESPONSE)));
    let is_first = blob.first() != Some(&RESPONSE);
    let fields = if in_spnego { fields(blob).unwrap_or_default() } else { &[] };
    Blob {
        ntlm,
        in_spnego,
        mechanisms: find(fields, MECHANISMS).filter(|_| is_first),
        has_mic: !is_first && find(fields, MIC).is_some(),
    }
}

/// The fields of a token, whose frame they may have around them.
fn fields(blob: &[u8]) -> Option<&[u8]> {
    let (tag, mut content, _) = element(blob)?;
    if tag == INITIAL {
        let (_, _, token) = element(content)?;
        content = element(token)?.1;
    }
    Some(element(content)?.1)
}

/// What the field with this tag holds.
fn find(mut fields: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (tag, content, rest) = element(fields)?;
        if tag == wanted {
            return Some(content);
        }
        fields = rest;
    }
}

/// The element that the bytes begin with: its tag, its content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match first {
        ..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(len, rest)| (usize::from(*len), rest))?,
        0x82 => rest.split_first_chunk().map(|(len, rest)| (usize::from(u16::from_be_bytes(*len)), rest))?,
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        assert_eq!(der(4, &[7; 5])[..2], [4, 5]);
        assert_eq!(der(4, &[7; 0x80])[..3], [4, 0x81, 0x80]);
        assert_eq!(der(4, &[7; 0x102])[..4], [4, 0x82, 1, 2]);
    }

    #[test]
    fn the_offer_names_both_mechanisms_and_the_hint() {
        let offer = offer();
        assert_eq!(offer[..10], [0x60, 0x54, 6, 6, 0x2b, 6, 1, 5, 5, 2]);
        assert_eq!(offer.len(), 0x56);
        for part in [NTLMSSP, NEGOEX, b"not_defined_in_RFC4178@please_ignore"] {
            assert!(memchr::memmem::find(&offer, part).is_some());
        }
    }

    #[test]
    fn ntlm_is_found_bare_and_wrapped() {
        let bare = Blob { ntlm: Some(b"NTLMSSP\0\x01"), ..Blob::default() };
        assert_eq!(open(b"NTLMSSP\0\x01"), bare);
        let wrapped = go_on(Some(b"NTLMSSP\0\x03"));
        assert_eq!(open(&wrapped), Blob { ntlm: Some(b"NTLMSSP\0\x03"), in_spnego: true, ..Blob::default() });
        assert_eq!(open(b"\x60\x00"), Blob { in_spnego: true, ..Blob::default() });
    }

    #[test]
    fn the_mechanisms_and_their_proof_are_found_and_broken_lengths_are_not_followed() {
        let first = offer();
        let mechanisms = der(SEQUENCE, &[der(OID, NEGOEX), der(OID, NTLMSSP)].concat());
        assert_eq!(open(&first).mechanisms, Some(mechanisms.as_slice()));
        assert!(open(&done(Some([7; 16]))).has_mic && !open(&done(None)).has_mic);
        for len in 0..first.len() {
            assert_eq!(open(&first[..len]).mechanisms, None);
        }
    }
}

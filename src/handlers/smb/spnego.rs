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
pub(super) enum State {
    Completed = 0,
    Incomplete = 1,
}

/// NegTokenResp (RFC 4178 section 4.2.2). The mechanism is named in the first one only.
pub(super) fn answer(state: State, names_mechanism: bool, token: Option<&[u8]>) -> Vec<u8> {
    let mut fields = der(0xa0, &der(0x0a, &[state as u8]));
    if names_mechanism {
        fields.extend(der(0xa1, &der(OID, NTLMSSP)));
    }
    if let Some(token) = token {
        fields.extend(der(0xa2, &der(OCTETS, token)));
    }
    der(0xa1, &der(SEQUENCE, &fields))
}

/// What a visitor's security blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blob<'a> {
    /// The NTLM message, whatever is around it.
    pub(super) ntlm: Option<&'a [u8]>,
    /// It came in SPNEGO, so the answer does, too.
    pub(super) in_spnego: bool,
}

/// Finds the NTLM message: bare or in a NegTokenInit or NegTokenResp. Its fields carry their own offsets, so what follows does no harm.
pub(super) fn open(blob: &[u8]) -> Blob<'_> {
    let ntlm = memchr::memmem::find(blob, SIGNATURE).and_then(|at| blob.get(at..));
    Blob { ntlm, in_spnego: matches!(blob.first(), Some(0x60 | 0xa0 | 0xa1)) }
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
        assert_eq!(open(b"NTLMSSP\0\x01"), Blob { ntlm: Some(b"NTLMSSP\0\x01"), in_spnego: false });
        let wrapped = answer(State::Incomplete, true, Some(b"NTLMSSP\0\x03"));
        assert_eq!(open(&wrapped), Blob { ntlm: Some(b"NTLMSSP\0\x03"), in_spnego: true });
        assert_eq!(open(b"\x60\x00"), Blob { ntlm: None, in_spnego: true });
    }
}

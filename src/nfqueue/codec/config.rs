//! `NFQNL_MSG_CONFIG`: binding a queue, all settings in one message.

use super::{ATTRIBUTES, Header, MSG_CONFIG, NLM_F_ACK, NLM_F_REQUEST, push_attribute_header, push_u32};
use crate::config::Fail;

/// Bytes of a packet that the kernel copies at most: 65535 less the attribute header that it counts in (`NFQNL_MAX_COPY_RANGE` in
/// `net/netfilter/nfnetlink_queue.c`).
pub const COPY_RANGE: u32 = 65_531;

/// `NFQA_CFG_CMD`: `struct nfqnl_msg_config_cmd`.
const NFQA_CFG_CMD: u16 = 1;
/// `NFQA_CFG_PARAMS`: `struct nfqnl_msg_config_params`.
const NFQA_CFG_PARAMS: u16 = 2;
/// `NFQA_CFG_QUEUE_MAXLEN`.
const NFQA_CFG_QUEUE_MAXLEN: u16 = 3;
/// `NFQA_CFG_MASK`: which flags to change.
const NFQA_CFG_MASK: u16 = 4;
/// `NFQA_CFG_FLAGS`: their values.
const NFQA_CFG_FLAGS: u16 = 5;
/// `NFQNL_CFG_CMD_BIND`.
const CMD_BIND: u8 = 1;
/// `NFQNL_COPY_PACKET`.
const COPY_PACKET: u8 = 2;
/// `NFQA_CFG_F_FAIL_OPEN`.
const FAIL_OPEN: u32 = 1 << 0;
/// `NFQA_CFG_F_GSO`.
const GSO: u32 = 1 << 2;

/// The request that binds a queue to the socket it is sent on and sets everything about it.
///
/// One message, because the kernel drops what arrives between a bind and the command that sets the copy mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind {
    /// The queue's number.
    pub queue: u16,
    /// Packets that may wait in the kernel for their verdict.
    pub queue_len: u32,
    /// What happens to the packets beyond.
    pub fail: Fail,
}

impl Bind {
    /// The message, which asks for an acknowledgement. Super-packets are always taken whole (`NFQA_CFG_F_GSO`).
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![0; ATTRIBUTES];
        push_attribute_header(&mut out, NFQA_CFG_CMD, 4);
        out.extend_from_slice(&[CMD_BIND, 0, 0, 0]);
        push_attribute_header(&mut out, NFQA_CFG_PARAMS, 5);
        out.extend_from_slice(&COPY_RANGE.to_be_bytes());
        out.extend_from_slice(&[COPY_PACKET, 0, 0, 0]);
        push_u32(&mut out, NFQA_CFG_QUEUE_MAXLEN, self.queue_len);
        let fail_open = match self.fail {
            Fail::Open => FAIL_OPEN,
            Fail::Closed => 0,
        };
        push_u32(&mut out, NFQA_CFG_MASK, GSO | FAIL_OPEN);
        push_u32(&mut out, NFQA_CFG_FLAGS, GSO | fail_open);
        let header = Header::emit(MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, out.len(), 0, self.queue);
        if let Some(head) = out.first_chunk_mut() {
            *head = header;
        }
        out
    }
}

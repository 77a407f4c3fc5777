//! Flows that leave user space after their first packet, and the marks by which the kernel is told so.
//!
//! The verdict on the first packet is "repeat" with a mark: the packet begins its hook again, where rules of `iptables/rules.template`
//! save the mark with the connection and clear it. A connection to the transparent listener gets the mark of one that passes when the listener's
//! socket first sends something: from then on the kernel finds that socket as it finds any. Later packets are told by the mark of their
//! connection, or by their socket where connections are not tracked, and never queued.

use crate::config::{self, Datapath};
use crate::flow::Disposition;

/// What the kernel shall do with a connection; the value of our bits in its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Course {
    /// To the host, untouched.
    Pass = 1,
    /// To the handler server's transparent listener.
    Transparent = 2,
    /// To the handler server's listener for redirected connections, by NAT.
    Redirect = 3,
}

/// The bits of packet and connection marks that are ours: all others are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkField(u32);

impl MarkField {
    /// The field of these bits: at least two, side by side ([`config::is_mark_mask`]).
    pub const fn new(mask: u32) -> Option<Self> {
        if config::is_mark_mask(mask) { Some(Self(mask)) } else { None }
    }

    /// Which bits.
    pub const fn mask(self) -> u32 {
        self.0
    }

    /// The value of our bits for this course.
    pub const fn value(self, course: Course) -> u32 {
        (course as u32) << self.0.trailing_zeros()
    }

    /// A mark with our bits set for this course.
    pub const fn set(self, mark: u32, course: Course) -> u32 {
        (mark & !self.0) | self.value(course)
    }

    /// Whether a mark has our bits set already.
    pub const fn is_set(self, mark: u32) -> bool {
        mark & self.0 != 0
    }
}

/// What the kernel can carry for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Our bits in marks; `None` when the kernel carries nothing and every packet is decided here.
    pub marks: Option<MarkField>,
    /// Who carries the flows of rules that do not say.
    pub datapath: Datapath,
    /// It can bring connections to a transparent listener.
    pub transparent: bool,
    /// TCP port of the listener that it can redirect connections to, host byte order; `None` when it cannot.
    pub redirect_port: Option<u16>,
}

impl Kernel {
    /// Nothing: every packet is decided here.
    pub const NONE: Self = Self { marks: None, datapath: Datapath::Userspace, transparent: false, redirect_port: None };

    /// What it does with the connections of a rule that has this datapath: `None` when it shall not or cannot carry them. `whole`: some rule
    /// wants to see every packet.
    pub(super) fn carriage(&self, datapath: Datapath, whole: bool) -> Option<Disposition> {
        match datapath {
            Datapath::Auto if whole => None,
            Datapath::Auto => self.carries().or_else(|| self.redirects()),
            Datapath::Tproxy => self.carries(),
            Datapath::Redirect => self.redirects(),
            Datapath::Userspace => None,
        }
    }

    fn carries(&self) -> Option<Disposition> {
        self.transparent.then_some(Disposition::Carry)
    }

    fn redirects(&self) -> Option<Disposition> {
        self.redirect_port.map(|_| Disposition::Redirect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_bits_are_set_and_others_kept() {
        let field = MarkField::new(0x3000_0000).unwrap();
        assert_eq!(field.set(0x8000_00ff, Course::Transparent), 0xa000_00ff);
        assert_eq!(field.set(0xb000_0001, Course::Pass), 0x9000_0001);
        assert_eq!(field.set(0x0000_0001, Course::Redirect), 0x3000_0001);
        assert!(field.is_set(0x1000_0000) && !field.is_set(0x4fff_ffff));
    }

    #[test]
    fn auto_is_redirect_where_there_is_no_transparent_listener() {
        let kernel = Kernel { redirect_port: Some(1), ..Kernel::NONE };
        assert_eq!(kernel.carriage(Datapath::Auto, false), Some(Disposition::Redirect));
        assert_eq!(kernel.carriage(Datapath::Auto, true), None);
        assert_eq!(kernel.carriage(Datapath::Tproxy, false), None);
        let kernel = Kernel { transparent: true, ..kernel };
        assert_eq!(kernel.carriage(Datapath::Auto, false), Some(Disposition::Carry));
    }

    #[test]
    fn a_field_has_two_bits_side_by_side() {
        for mask in [0x3, 0x7, 0xff00, 0xc000_0000, u32::MAX] {
            assert!(MarkField::new(mask).is_some(), "{mask:#x}");
        }
        for mask in [0, 1, 0x8000_0000, 0x5, 0xff0f] {
            assert!(MarkField::new(mask).is_none(), "{mask:#x}");
        }
    }
}

//! The words of the language: protocols, keywords, and names for numbers.

/// A protocol that can qualify a primitive, stand alone, or be indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `ether` and its aliases: there is no such header here.
    Link,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Igrp,
    Pim,
    /// VRRP and CARP share a number.
    Vrrp,
    Ah,
    Esp,
    /// 802.11 radio information.
    Radio,
    /// AppleTalk, DECnet, LAT, SCA, MOP: network protocols that libpcap lets one index.
    OldNetwork,
    /// The other protocols that only a link layer could carry.
    OtherNetwork,
}

impl Protocol {
    /// The IP protocol number, for those that ride on IP.
    pub(super) const fn number(self) -> Option<u8> {
        Some(match self {
            Self::Icmp => 1,
            Self::Igmp => 2,
            Self::Tcp => 6,
            Self::Igrp => 9,
            Self::Udp => 17,
            Self::Esp => 50,
            Self::Ah => 51,
            Self::Icmp6 => 58,
            Self::Pim => 103,
            Self::Vrrp => 112,
            Self::Sctp => 132,
            _ => return None,
        })
    }
}

/// Words with a place of their own in the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Src,
    Dst,
    Host,
    Net,
    Mask,
    Port,
    PortRange,
    Proto,
    ProtoChain,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    And,
    Or,
    Not,
    Len,
    /// A primitive of the link layer or of another packet source, for the given reason not to be had here.
    Foreign(Absence),
}

/// Why a primitive cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    LinkLayer,
    Gateway,
    Direction,
    Geneve,
    OtherSource,
}

impl Absence {
    /// The reason, as a clause for an error message.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::LinkLayer => "NFQUEUE shows no link layer",
            Self::Gateway => "it needs a link layer, and NFQUEUE shows none",
            Self::Direction => "all that rules see comes from outside; `from iface NAME` says by which interface",
            Self::Geneve => "filters do not look into tunnels",
            Self::OtherSource => "it is about a packet source that NFQUEUE is not",
        }
    }
}

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Protocol(Protocol),
    Keyword(Keyword),
    /// A name for a number, such as `tcp-syn`.
    Number(u32),
}

/// Looks a word up; words are written in lower case.
pub(super) fn meaning(word: &str) -> Option<Meaning> {
    PROTOCOLS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|&(_, protocol)| Meaning::Protocol(protocol))
        .or_else(|| KEYWORDS.iter().find(|(name, _)| *name == word).map(|&(_, keyword)| Meaning::Keyword(keyword)))
        .or_else(|| foreign(word).map(|absence| Meaning::Keyword(Keyword::Foreign(absence))))
        .or_else(|| NUMBERS.iter().find(|(name, _)| *name == word).map(|&(_, number)| Meaning::Number(number)))
}

/// Words worth suggesting for a mistyped one.
pub(super) fn common_words() -> impl Iterator<Item = &'static str> {
    const AT_HOME: usize = 16;
    KEYWORDS.iter().map(|&(name, _)| name).chain(PROTOCOLS.iter().take(AT_HOME).map(|&(name, _)| name))
}

/// Names for numbers worth suggesting.
pub(super) fn number_names() -> impl Iterator<Item = &'static str> {
    NUMBERS.iter().map(|&(name, _)| name)
}

fn foreign(word: &str) -> Option<Absence> {
    FOREIGN.iter().find(|(_, words)| words.contains(&word)).map(|&(absence, _)| absence)
}

/// Those that mean something on raw IP come first: [`common_words`] counts them.
const PROTOCOLS: &[(&str, Protocol)] = &[
    ("ip", Protocol::Ip),
    ("ip6", Protocol::Ip6),
    ("tcp", Protocol::Tcp),
    ("udp", Protocol::Udp),
    ("sctp", Protocol::Sctp),
    ("icmp", Protocol::Icmp),
    ("icmp6", Protocol::Icmp6),
    ("igmp", Protocol::Igmp),
    ("igrp", Protocol::Igrp),
    ("pim", Protocol::Pim),
    ("vrrp", Protocol::Vrrp),
    ("carp", Protocol::Vrrp),
    ("ah", Protocol::Ah),
    ("esp", Protocol::Esp),
    ("arp", Protocol::Arp),
    ("rarp", Protocol::Rarp),
    ("link", Protocol::Link),
    ("ether", Protocol::Link),
    ("ppp", Protocol::Link),
    ("slip", Protocol::Link),
    ("fddi", Protocol::Link),
    ("tr", Protocol::Link),
    ("wlan", Protocol::Link),
    ("radio", Protocol::Radio),
    ("atalk", Protocol::OldNetwork),
    ("decnet", Protocol::OldNetwork),
    ("lat", Protocol::OldNetwork),
    ("sca", Protocol::OldNetwork),
    ("moprc", Protocol::OldNetwork),
    ("mopdl", Protocol::OldNetwork),
    ("aarp", Protocol::OtherNetwork),
    ("iso", Protocol::OtherNetwork),
    ("esis", Protocol::OtherNetwork),
    ("es-is", Protocol::OtherNetwork),
    ("isis", Protocol::OtherNetwork),
    ("is-is", Protocol::OtherNetwork),
    ("l1", Protocol::OtherNetwork),
    ("l2", Protocol::OtherNetwork),
    ("iih", Protocol::OtherNetwork),
    ("lsp", Protocol::OtherNetwork),
    ("snp", Protocol::OtherNetwork),
    ("csnp", Protocol::OtherNetwork),
    ("psnp", Protocol::OtherNetwork),
    ("clnp", Protocol::OtherNetwork),
    ("stp", Protocol::OtherNetwork),
    ("ipx", Protocol::OtherNetwork),
    ("netbeui", Protocol::OtherNetwork),
];

const KEYWORDS: &[(&str, Keyword)] = &[
    ("port", Keyword::Port),
    ("src", Keyword::Src),
    ("dst", Keyword::Dst),
    ("host", Keyword::Host),
    ("net", Keyword::Net),
    ("mask", Keyword::Mask),
    ("portrange", Keyword::PortRange),
    ("proto", Keyword::Proto),
    ("protochain", Keyword::ProtoChain),
    ("less", Keyword::Less),
    ("greater", Keyword::Greater),
    ("byte", Keyword::Byte),
    ("broadcast", Keyword::Broadcast),
    ("multicast", Keyword::Multicast),
    ("and", Keyword::And),
    ("or", Keyword::Or),
    ("not", Keyword::Not),
    ("len", Keyword::Len),
    ("length", Keyword::Len),
];

const FOREIGN: &[(Absence, &[&str])] = &[
    (
        Absence::LinkLayer,
        &[
            "vlan",
            "mpls",
            "pppoed",
            "pppoes",
            "llc",
            "type",
            "subtype",
            "direction",
            "dir",
            "address1",
            "addr1",
            "address2",
            "addr2",
            "address3",
            "addr3",
            "address4",
            "addr4",
            "ra",
            "ta",
            "lane",
            "metac",
            "bcc",
            "oam",
            "oamf4",
            "oamf4ec",
            "oamf4sc",
            "sc",
            "ilmic",
            "vpi",
            "vci",
            "connectmsg",
            "metaconnect",
        ],
    ),
    (Absence::Gateway, &["gateway"]),
    (Absence::Direction, &["inbound", "outbound", "ifindex"]),
    (Absence::Geneve, &["geneve"]),
    (
        Absence::OtherSource,
        &[
            "on",
            "ifname",
            "rset",
            "ruleset",
            "rnr",
            "rulenum",
            "srnr",
            "subrulenum",
            "reason",
            "action",
            "fisu",
            "lssu",
            "lsu",
            "msu",
            "hfisu",
            "hlssu",
            "hmsu",
            "sio",
            "opc",
            "dpc",
            "sls",
            "hsio",
            "hopc",
            "hdpc",
            "hsls",
        ],
    ),
];

/// pcap-filter(7): field offsets and values that have names.
const NUMBERS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

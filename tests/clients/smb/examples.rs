//! The programs that come with impacket, as they are.

use super::{holds, python, sensor, start};
use crate::lab::Lab;

#[test]
fn impackets_dumpntlminfo_smbclient_and_rpcdump_see_windows_7() {
    let lab = Lab::new();
    let engine = start(&lab);
    let said = lab.client_says(&python("DumpNTLMInfo.py"), &[&sensor()], b"");
    holds(
        &said,
        &["SMBv1 Enabled   : True", "Prefered Dialect: SMB 2.1", "OS              : Windows NT 6.1 Build 7601"],
    );
    holds(&said, &["Name            : WIN-7K2Q9F0A3BD", "Null Session    : True"]);
    let login = format!("alice:Secret12@{}", sensor());
    let said = lab.client_says(&python("smbclient.py"), &[&login], b"shares\nuse C$\nls\ninfo\nexit\n");
    holds(&said, &["ADMIN$", "IPC$", "Program Files (x86)", "Version Major: 6", "Server Name: WIN-7K2Q9F0A3BD"]);
    let said = lab.client_says(&python("rpcdump.py"), &["-port", "445", &login], b"");
    holds(
        &said,
        &["Protocol: [MS-SAMR]: Security Account Manager", "Protocol: [MS-TSCH]: Task Scheduler", "Received "],
    );
    // Over TCP it takes no login.
    let said = lab.client_says(&python("rpcdump.py"), &[&sensor()], b"");
    holds(&said, &["[49155]", "ncacn_np:\\\\WIN-7K2Q9F0A3BD[\\pipe\\lsass]", "Event log TCPIP"]);
    engine.stop();
}

//! What lies on the drive of every Windows 7, as far as visitors look.

use super::host::Share;

/// A path and what lies there: nothing for a directory, a size for a file that is in use, a text.
pub(super) enum Static {
    Directory,
    Locked(u64),
    Text(&'static str),
}

const DESKTOP_INI: &str =
    "\r\n[.ShellClassInfo]\r\nLocalizedResourceName=@%SystemRoot%\\system32\\shell32.dll,-21813\r\n";
const HOSTS: &str = "# Copyright (c) 1993-2009 Microsoft Corp.\r\n#\r\n# localhost name resolution is handled within DNS itself.\r\n#\t127.0.0.1       localhost\r\n#\t::1             localhost\r\n";
const WIN_INI: &str =
    "; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n[mci extensions]\r\n[files]\r\n[Mail]\r\nMAPI=1\r\n";
const SYSTEM_INI: &str = "; for 16-bit app support\r\n[386Enh]\r\nwoafont=dosapp.fon\r\nEGA80WOA.FON=EGA80WOA.FON\r\nEGA40WOA.FON=EGA40WOA.FON\r\nCGA80WOA.FON=CGA80WOA.FON\r\nCGA40WOA.FON=CGA40WOA.FON\r\n\r\n[drivers]\r\nwave=mmdrv.dll\r\ntimer=timer.drv\r\n\r\n[mci]\r\n";

use Static::{Directory, Locked, Text};

/// What NTFS keeps for itself and lists nowhere.
pub(super) const HIDDEN: &str = "$Extend";

/// The drive, which all shares show parts of.
pub(super) const DRIVE: &[(&str, Static)] = &[
    (HIDDEN, Directory),
    ("$Extend\\$Quota", Directory),
    ("$Recycle.Bin", Directory),
    ("pagefile.sys", Locked(4_294_967_296)),
    ("PerfLogs", Directory),
    ("Program Files", Directory),
    ("Program Files\\Common Files", Directory),
    ("Program Files\\Internet Explorer", Directory),
    ("Program Files\\Windows Defender", Directory),
    ("Program Files (x86)", Directory),
    ("Program Files (x86)\\Common Files", Directory),
    ("Program Files (x86)\\Internet Explorer", Directory),
    ("ProgramData", Directory),
    ("ProgramData\\Microsoft", Directory),
    ("Users", Directory),
    ("Users\\Administrator", Directory),
    ("Users\\Administrator\\Desktop", Directory),
    ("Users\\Administrator\\Documents", Directory),
    ("Users\\Default", Directory),
    ("Users\\desktop.ini", Text(DESKTOP_INI)),
    ("Users\\Public", Directory),
    ("Users\\Public\\Documents", Directory),
    ("Users\\Public\\Downloads", Directory),
    ("Users\\Public\\Pictures", Directory),
    ("Windows", Directory),
    ("Windows\\explorer.exe", Locked(2_871_808)),
    ("Windows\\Fonts", Directory),
    ("Windows\\inf", Directory),
    ("Windows\\notepad.exe", Locked(193_536)),
    ("Windows\\regedit.exe", Locked(427_008)),
    ("Windows\\System32", Directory),
    ("Windows\\System32\\cmd.exe", Locked(345_088)),
    ("Windows\\System32\\config", Directory),
    ("Windows\\System32\\config\\SAM", Locked(262_144)),
    ("Windows\\System32\\config\\SYSTEM", Locked(12_845_056)),
    ("Windows\\System32\\drivers", Directory),
    ("Windows\\System32\\drivers\\etc", Directory),
    ("Windows\\System32\\drivers\\etc\\hosts", Text(HOSTS)),
    ("Windows\\System32\\kernel32.dll", Locked(1_163_264)),
    ("Windows\\system.ini", Text(SYSTEM_INI)),
    ("Windows\\SysWOW64", Directory),
    ("Windows\\Temp", Directory),
    ("Windows\\win.ini", Text(WIN_INI)),
];

/// Where the root of a share lies on the drive.
pub(super) fn root(share: &Share) -> &'static str {
    match share.name {
        "ADMIN$" => "Windows",
        "Users" => "Users",
        _ => "",
    }
}

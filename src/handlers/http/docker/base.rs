//! What distinguishes the files of base images, and those of the machine itself, from the Alpine that every container begins as.

/// Path and text.
type File = (&'static str, String);

/// `/etc/passwd` of Debian's kind.
const DEBIANS_USERS: &str = "root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
games:x:5:60:games:/usr/games:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
lp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
news:x:9:9:news:/var/spool/news:/usr/sbin/nologin
uucp:x:10:10:uucp:/var/spool/uucp:/usr/sbin/nologin
proxy:x:13:13:proxy:/bin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
list:x:38:38:Mailing List Manager:/var/list:/usr/sbin/nologin
irc:x:39:39:ircd:/run/ircd:/usr/sbin/nologin
gnats:x:41:41:Gnats Bug-Reporting System (admin):/var/lib/gnats:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
_apt:x:100:65534::/nonexistent:/usr/sbin/nologin
";
/// Those that a machine has besides.
const MACHINES_USERS: &str = "systemd-network:x:101:102:systemd Network Management,,,:/run/systemd:/usr/sbin/nologin
systemd-resolve:x:102:103:systemd Resolver,,,:/run/systemd:/usr/sbin/nologin
messagebus:x:103:104::/nonexistent:/usr/sbin/nologin
sshd:x:104:65534::/run/sshd:/usr/sbin/nologin
";
const CRONTAB: &str = "SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin

17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )
47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.weekly )
52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.monthly )
#
";
/// Directories that a machine has and Alpine has not.
pub(super) const MACHINES_DIRECTORIES: [&str; 9] = [
    "/boot",
    "/etc/cron.d",
    "/etc/systemd/system",
    "/lib64",
    "/snap",
    "/var/lib/docker/containers",
    "/var/lib/docker/image/overlay2",
    "/var/lib/docker/volumes",
    "/var/spool/cron/crontabs",
];

/// A system of the kind of `/etc/os-release`.
fn release(pretty: &str, name: &str, version: &str, rest: &str) -> File {
    let text = format!("PRETTY_NAME=\"{pretty}\"\nNAME=\"{name}\"\nVERSION_ID=\"{version}\"\n{rest}");
    ("/etc/os-release", text)
}

/// The files of an image that its users look at; Alpine's are in every container.
pub(super) fn files_of(image: &str) -> Vec<File> {
    let users = || ("/etc/passwd", DEBIANS_USERS.to_owned());
    match image.split(':').next().unwrap_or_default() {
        "ubuntu" => vec![
            release(
                "Ubuntu 22.04.2 LTS",
                "Ubuntu",
                "22.04",
                "VERSION=\"22.04.2 LTS (Jammy Jellyfish)\"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n",
            ),
            users(),
        ],
        "centos" => vec![(
            "/etc/os-release",
            "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n".to_owned(),
        )],
        "alpine" | "busybox" => Vec::new(),
        _ => vec![
            release(
                "Debian GNU/Linux 11 (bullseye)",
                "Debian GNU/Linux",
                "11",
                "VERSION=\"11 (bullseye)\"\nVERSION_CODENAME=bullseye\nID=debian\n",
            ),
            users(),
        ],
    }
}

/// The files of the machine: its host name, its system and that system's version.
pub(super) fn files_of_machine(host: &str, system: &str, version: &str) -> Vec<File> {
    let id = if system.starts_with("Ubuntu") { "ubuntu" } else { "debian" };
    let name = if id == "ubuntu" { "Ubuntu" } else { "Debian GNU/Linux" };
    vec![
        release(
            system,
            name,
            version,
            &format!("ID={id}\nHOME_URL=\"https://www.{id}.{}/\"\n", if id == "ubuntu" { "com" } else { "org" }),
        ),
        ("/etc/passwd", format!("{DEBIANS_USERS}{MACHINES_USERS}{id}:x:1000:1000:{name}:/home/{id}:/bin/bash\n")),
        ("/etc/hostname", format!("{host}\n")),
        (
            "/etc/hosts",
            format!(
                "127.0.0.1 localhost\n127.0.1.1 {host}\n\n::1     ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
            ),
        ),
        ("/etc/crontab", CRONTAB.to_owned()),
        ("/etc/issue", format!("{system} \\n \\l\n\n")),
    ]
}

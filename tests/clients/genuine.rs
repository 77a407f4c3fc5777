//! Genuine servers in the sensor's namespace: what convinces a client of a handler must hold for them as well.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

use crate::lab::{Lab, PATIENCE, SENSOR, at, client, within};

/// A server that runs until it is dropped.
pub(crate) struct Genuine(Child);

impl Genuine {
    pub(crate) fn memcached(lab: &Lab) -> Self {
        Self::start(lab, 11_211, "memcached", &["-u", "nobody", "-U", "11211"])
    }

    pub(crate) fn mosquitto(lab: &Lab) -> Self {
        // As Debian configures it, but for the visitors from outside.
        let config = lab.file("mosquitto.conf", "listener 1883\nallow_anonymous true\n");
        Self::start(lab, 1_883, "mosquitto", &["-c", config.to_str().unwrap()])
    }

    /// As Debian configures it.
    pub(crate) fn nginx(lab: &Lab) -> Self {
        let root = lab.path("nginx");
        std::fs::create_dir_all(root.join("html")).unwrap();
        std::fs::write(root.join("html/index.html"), "<html><title>index</title></html>\n").unwrap();
        std::fs::write(root.join("html/robots.txt"), "User-agent: *\nDisallow: /admin/\n").unwrap();
        let root = root.to_str().unwrap();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = temporary.iter().map(|name| format!("{name}_temp_path {root}/{name}; ")).collect();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log; events {{ }}
             http {{ types {{ text/html html; text/plain txt; }} access_log off; gzip on; {temporary}
             server {{ listen 80; root {root}/html; location / {{ try_files $uri $uri/ =404; }} }} }}"
        );
        let config = lab.file("nginx.conf", &config);
        Self::start(lab, 80, "nginx", &["-p", root, "-c", config.to_str().unwrap(), "-e", &format!("{root}/start.log")])
    }

    /// With the account of the tests: `root@chat.example.org`, password `s3cret`.
    pub(crate) fn prosody(lab: &Lab) -> Self {
        let root = lab.path("prosody");
        let accounts = root.join("chat%2eexample%2eorg/accounts");
        std::fs::create_dir_all(&accounts).unwrap();
        std::fs::write(accounts.join("root.dat"), "return { [\"password\"] = \"s3cret\"; };\n").unwrap();
        let root = root.to_str().unwrap();
        let make = format!(
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=chat.example.org -keyout {root}/key.pem -out {root}/certificate.pem"
        );
        lab.client_says("openssl", &make.split(' ').collect::<Vec<_>>(), b"");
        let config = format!(
            "run_as_root = true; daemonize = false; pidfile = '{root}/pid'; data_path = '{root}'
             modules_enabled = {{ 'roster', 'saslauth', 'tls', 'disco', 'ping' }}; modules_disabled = {{ 's2s' }}
             authentication = 'internal_plain'; allow_unencrypted_plain_auth = true; c2s_require_encryption = false
             c2s_direct_tls_ports = {{ 5223 }}; log = {{ info = '*console' }}
             ssl = {{ key = '{root}/key.pem', certificate = '{root}/certificate.pem' }}
             VirtualHost 'chat.example.org'"
        );
        let config = lab.file("prosody.cfg.lua", &config);
        Self::start(lab, 5_222, "prosody", &["--config", config.to_str().unwrap(), "-F"])
    }

    /// With the account of the tests, alice, and a disk `C$`; from SMB1 to the dialects of Windows 7.
    pub(crate) fn samba(lab: &Lab) -> Self {
        let root = lab.path("samba");
        for directory in ["share", "state"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        let root = root.to_str().unwrap();
        // Samba wants an account of the system for each of its own: alice is nobody, whose NT hash is that of `Secret12`.
        lab.file("samba/users", "nobody = alice\n");
        let hash = "F220C0F73309EF6745FBAC6E32CACFFE";
        let account = format!("nobody:65534:{:X<32}:{hash}:[U          ]:LCT-65000000:\n", "");
        lab.file("samba/passwords", &account);
        let directories = ["state", "lock", "pid", "cache"].map(|name| format!("{name} directory = {root}/state\n"));
        let config = format!(
            "[global]
             server min protocol = NT1
             server max protocol = SMB2_10
             ntlm auth = ntlmv1-permitted
             {}private dir = {root}/state
             ncalrpc dir = {root}/state/ncalrpc
             log file = {root}/log
             load printers = no
             disable spoolss = yes
             guest account = daemon
             username map = {root}/users
             passdb backend = smbpasswd:{root}/passwords
             [C$]
             path = {root}/share
             read only = no
             force user = root\n",
            directories.concat()
        );
        let config = lab.file("samba/smb.conf", &config);
        Self::start(lab, 445, "smbd", &["-F", "--no-process-group", "-s", config.to_str().unwrap(), "--debug-stdout"])
    }

    /// In the foreground, with all that it writes below the lab's directory; ready when its port takes connections.
    fn start(lab: &Lab, port: u16, program: &str, args: &[&str]) -> Self {
        let said = std::fs::File::create(lab.path(&format!("{program}.log"))).unwrap();
        let mut command = Command::new(program);
        command.args(args).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.stdout(said.try_clone().unwrap()).stderr(said);
        let child = lab.sensor_namespace().spawn(&mut command);
        let server = Self(child.unwrap_or_else(|error| panic!("{program}: {error}; see CLIENT_TOOLS in the Makefile")));
        let up = within(PATIENCE, || lab.attacker(|| client::dial(at(SENSOR[0], port))).ok());
        let said = || std::fs::read_to_string(lab.path(&format!("{program}.log"))).unwrap_or_default();
        assert!(up.is_some(), "{program} does not listen on {port}; it said: {}", said());
        server
    }
}

impl Drop for Genuine {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// The same assertions, against the genuine server and then, with these rules, against ours.
pub(crate) fn both(rules: &str, genuine: fn(&Lab) -> Genuine, assertions: impl Fn(&Lab)) {
    both_with((rules, ""), genuine, assertions);
}

/// The same with a configuration of ours.
pub(crate) fn both_with((rules, config): (&str, &str), genuine: fn(&Lab) -> Genuine, assertions: impl Fn(&Lab)) {
    let lab = Lab::new();
    let server = genuine(&lab);
    assertions(&lab);
    drop(server);
    let engine = lab.engine().rules(rules).config(config).start();
    assertions(&lab);
    engine.stop();
}

/// What both answer to each of these inputs, the genuine server first: everything until the end of the connection, which `over` tells,
/// too, for connections that stay open.
pub(crate) fn answers(
    (rules, config): (&str, &str),
    (genuine, port): (fn(&Lab) -> Genuine, u16),
    inputs: &[Vec<u8>],
    over: impl Fn(&[u8]) -> bool + Sync,
) -> [Vec<Vec<u8>>; 2] {
    answers_of((rules, config), (genuine, port), inputs, over, 1)
}

/// The same where no input depends on another: so many connections ask at the same time, as servers wait a little before they close on
/// a client that they have refused.
pub(crate) fn answers_of(
    (rules, config): (&str, &str),
    (genuine, port): (fn(&Lab) -> Genuine, u16),
    inputs: &[Vec<u8>],
    over: impl Fn(&[u8]) -> bool + Sync,
    at_a_time: usize,
) -> [Vec<Vec<u8>>; 2] {
    let lab = Lab::new();
    let ask = |input: &Vec<u8>| {
        let mut stream = lab.dial(at(SENSOR[0], port));
        let mut heard = Vec::new();
        let mut piece = [0; 4_096];
        // Who is refused early may not take it all.
        let _ = stream.write_all(input);
        while !over(&heard) {
            match stream.read(&mut piece) {
                Ok(length @ 1..) => heard.extend_from_slice(&piece[..length]),
                Ok(0) | Err(_) => break,
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
        heard
    };
    let ask_all = || -> Vec<Vec<u8>> {
        std::thread::scope(|scope| {
            let parts = inputs.chunks(inputs.len().div_ceil(at_a_time).max(1));
            let asking: Vec<_> = parts.map(|part| scope.spawn(|| part.iter().map(ask).collect::<Vec<_>>())).collect();
            asking.into_iter().flat_map(|part| part.join().unwrap()).collect()
        })
    };
    let server = genuine(&lab);
    let expected = ask_all();
    drop(server);
    let engine = lab.engine().rules(rules).config(config).start();
    let given = ask_all();
    engine.stop();
    [expected, given]
}

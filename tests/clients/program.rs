//! Client programs in the attacker's namespace.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::lab::Lab;

/// Seconds that a client has; then it is ended and its test fails.
const LIMIT: &str = "60";

impl Lab {
    /// Runs a client with these arguments and this input to its end, whatever it returns.
    pub(crate) fn client(&self, program: &str, args: &[&str], input: &[u8]) -> Output {
        self.client_within(LIMIT, program, args, input)
    }

    /// Runs a client that must succeed, and may take so many seconds; what it printed.
    pub(crate) fn client_for(&self, seconds: u16, program: &str, args: &[&str], input: &[u8]) -> String {
        let output = self.client_within(&seconds.to_string(), program, args, input);
        assert!(output.status.success(), "{program} {args:?} failed ({}): {}", output.status, text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn client_within(&self, limit: &str, program: &str, args: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new("timeout");
        command.arg(limit).arg(program).args(args).env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.attacker_namespace().spawn(&mut command).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A client that ends early does not read it all; what it says then is the test's business.
        let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        assert_ne!(output.status.code(), Some(124), "{program} {args:?} did not end: {}", text(&output));
        assert_ne!(output.status.code(), Some(127), "{program} is missing: see TEST_TOOLS in the Makefile");
        output
    }

    /// Runs a client that must succeed; what it printed.
    pub(crate) fn client_says(&self, program: &str, args: &[&str], input: &[u8]) -> String {
        let output = self.client(program, args, input);
        assert!(output.status.success(), "{program} {args:?} failed ({}): {}", output.status, text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Everything that a client printed.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

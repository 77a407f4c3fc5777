//! The parent while the engine runs: firewall rules come and go here, and new rules come in.
//!
//! The parent may read the operator's files, the engine may not: so the parent reads and checks a rule file, and hands over what it has
//! read. Both read the same bytes.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{error, info, warn};

use super::process::{EngineProcess, Order};
use super::vigil::Vigil;
use super::{Diversion, ports_in_use, warnings};
use crate::control::{Answer, ControlSocket};
use crate::firewall::{self, Host, Plan, PlanError};
use crate::rules::{RuleSet, Sources};
use crate::supervisor::{Duties, EngineSide, Line, Ready};

/// Why the old rules go on, or the new ones without all that they need.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// The rules are wrong.
    #[error("{0}")]
    Rules(String),
    /// They are right, and something else failed.
    #[error("{0}")]
    Failed(String),
}

/// Times that removing the rules is tried: an iptables command may be killed along with the engine, or wait for another's lock.
const REMOVE_TRIES: u32 = 3;

/// Reloads in quick succession look once in this time for the ports in use: the kernel walks its whole table of TCP connections for that,
/// some milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What the parent knows.
pub(super) struct Parent {
    /// What the next engine is started with.
    process: EngineProcess,
    rule_file: Option<PathBuf>,
    diversion: Diversion,
    /// When the ports in use were looked for.
    looked: Instant,
    host: Host,
    /// What is diverted now: for the rules in force and, since flows keep what was decided for them, for all before.
    plan: Plan,
    firewall: firewall::RuleSetText,
    vigil: Vigil,
    /// `None` until the first engine is ready: of two with the same queue, the second fails before.
    control: Option<ControlSocket>,
}

impl Parent {
    pub(super) fn new(
        process: EngineProcess,
        rule_file: Option<PathBuf>,
        diversion: Diversion,
        host: Host,
    ) -> Result<Self, PlanError> {
        let plan = diversion.plan(&process.rules);
        let firewall = firewall::build(&plan, &host)?;
        let (looked, vigil) = (Instant::now(), Vigil::default());
        Ok(Self { process, rule_file, diversion, looked, host, plan, firewall, vigil, control: None })
    }

    /// Listens for callers, unless that is done already.
    fn open_door(&mut self) {
        if self.control.is_none() {
            let control = ControlSocket::bind(self.process.config.engine.queue_num);
            let control = control.inspect_err(|error| {
                warn!("no control socket: {error}; `glutton-nfq reload` cannot work, SIGHUP does")
            });
            self.control = control.ok();
        }
    }

    /// Reads the rule file again, and which ports the host listens on; says what came of it. Whatever fails, what went on before goes on.
    fn reload(&mut self, engine: &mut Line) -> Result<String, Refusal> {
        self.look_again();
        let Some(path) = &self.rule_file else { return self.keep_rules() };
        let read = Sources::read(path).and_then(|mut sources| Ok((sources.rules()?, sources)));
        let outcome = match read {
            Ok((rules, sources)) => self.take_over(engine, rules, sources),
            Err(error) => {
                let text = error.to_string();
                // The engine writes the event; that it is gone shows elsewhere.
                let _ = engine.ask(&Order::Refused(text.clone()).encode());
                Err(Refusal::Rules(format!("{text}\n\nthe old rules go on")))
            }
        };
        match &outcome {
            // Warnings follow the first line; they have been logged.
            Ok(text) => info!("{}", text.lines().next().unwrap_or_default()),
            Err(refusal) => error!("reload: {refusal}"),
        }
        outcome
    }

    /// A service that was started meanwhile keeps its port, and rules that others have taken out come back.
    fn look_again(&mut self) {
        if self.looked.elapsed() < LOOK_AGAIN {
            return;
        }
        self.look_after();
        match ports_in_use(&self.diversion.interfaces, &self.process.config.engine) {
            Ok(ports) => self.diversion.in_use = ports,
            Err(error) => warn!("{error}; the ports that stayed with the host before still do"),
        }
        self.looked = Instant::now();
    }

    /// The rules stay, and what is diverted fits the host as it is now.
    fn keep_rules(&mut self) -> Result<String, Refusal> {
        let wanted = self.diversion.plan(&self.process.rules);
        let plan = Plan { exempt: wanted.exempt.clone(), ..wanted.together_with(&self.plan) };
        self.divert(plan).map_err(|error| Refusal::Failed(error.to_string()))?;
        Ok("the rules are those built in: there is no file to read again".to_owned())
    }

    /// Answers must be diverted before the first flow that needs it is decided, and a port of the host's only after the rules that name it
    /// are in force. So the firewall first fits the old rules and the new, then the new.
    fn take_over(&mut self, engine: &mut Line, rules: RuleSet, sources: Sources) -> Result<String, Refusal> {
        let mut warnings = warnings(&rules, &self.process.registry, &self.process.config);
        warnings.extend(self.diversion.unprepared(&rules));
        let wanted = self.diversion.plan(&rules);
        let both = wanted.clone().together_with(&self.plan);
        self.divert(both.clone()).map_err(|error| Refusal::Failed(format!("{error}; the old rules go on")))?;
        let said = match engine.ask(&Order::Rules(sources).encode()) {
            Ok(Ok(said)) => said,
            Ok(Err(why)) => return Err(Refusal::Failed(format!("the engine refused the rules: {why}"))),
            Err(error) => {
                let why = format!("the engine did not answer ({error}): restart it if this happens again");
                return Err(Refusal::Failed(why));
            }
        };
        self.process.rules = Arc::new(rules);
        let after = Plan { exempt: wanted.exempt, ..both };
        self.divert(after).map_err(|error| Refusal::Failed(format!("the new rules are in force, but {error}")))?;
        warnings.iter().for_each(|warning| warn!("{warning}"));
        Ok([&[said], warnings.as_slice()].concat().join("\n"))
    }

    /// Makes the firewall divert this; does nothing when it does already.
    fn divert(&mut self, plan: Plan) -> Result<(), firewall::Error> {
        if plan != self.plan
            // A plan made of plans that could be built can be built.
            && let Ok(rules) = firewall::build(&plan, &self.host)
        {
            firewall::replace(&rules)?;
            (self.plan, self.firewall) = (plan, rules);
            self.vigil.begin(&self.firewall);
        }
        Ok(())
    }
}

impl Duties for Parent {
    type Error = firewall::Error;

    fn install(&mut self, _: &Ready) -> Result<(), firewall::Error> {
        self.open_door();
        info!("installing the firewall rules");
        firewall::apply(&self.firewall)?;
        self.vigil.begin(&self.firewall);
        Ok(())
    }

    fn remove(&mut self) {
        self.vigil.end();
        for _ in 0..REMOVE_TRIES {
            match firewall::remove() {
                Ok(_) => return info!("the firewall rules are removed"),
                Err(error) => error!("cannot remove the firewall rules: {error}"),
            }
        }
        error!("firewall rules are left behind; they let traffic pass, and `glutton-nfq clean` removes them");
    }

    fn look_after(&mut self) {
        self.vigil.look(&self.firewall, &self.diversion.interfaces);
    }

    fn engine(&mut self, side: EngineSide) -> u8 {
        // Callers are the parent's affair, and what attackers may take over must not answer them.
        self.control = None;
        self.process.run(side)
    }

    fn hangup(&mut self, engine: &mut Line) {
        // The log and an event say what came of it.
        let _ = self.reload(engine);
    }

    fn door(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(AsFd::as_fd)
    }

    fn answer_door(&mut self, engine: &mut Line) {
        let Some(caller) = self.control.as_ref().and_then(ControlSocket::accept) else { return };
        let answer = match caller.question.as_str() {
            "reload" => match self.reload(engine) {
                Ok(text) => Answer { code: 0, text },
                Err(Refusal::Rules(text)) => Answer { code: 2, text },
                Err(Refusal::Failed(text)) => Answer { code: 1, text },
            },
            other => Answer { code: 2, text: format!("unknown command `{other}`: there is `reload`") },
        };
        caller.answer(&answer);
    }
}

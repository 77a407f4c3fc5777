//! What visitors meet, whichever handler serves them.

use std::sync::Arc;

use super::{Persona, TlsKit};

/// The persona and its certificate.
#[derive(Debug, Clone)]
pub struct Guise {
    /// Who the sensor pretends to be.
    pub persona: Arc<Persona>,
    /// How it speaks TLS.
    pub tls: Arc<TlsKit>,
}

impl Guise {
    /// The guise that tests meet.
    pub fn example() -> Self {
        Self { persona: Persona::example(), tls: TlsKit::example() }
    }
}

//! Probes for wallets: whoever asks for one finds an empty list, and is recorded.

use super::super::Context;
use super::answer::Answer;
use super::ask::Ask;
use super::family::Family;

/// An exposed wallet's listing.
pub(super) struct Wallet;

impl Family for Wallet {
    fn name(&self) -> &'static str {
        "wallet"
    }

    fn claims(&self, ask: &Ask<'_>) -> bool {
        ask.path().to_ascii_lowercase().contains("wallet")
    }

    fn answer(&self, _: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let takes = ask.is("GET") || ask.is("POST");
        takes.then(|| Answer::new(200, "application/json", "[[\"\"]]").decoded("probe", "wallet"))
    }
}

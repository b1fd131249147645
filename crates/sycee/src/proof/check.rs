//! The steps of checking, each with what it says; what follows a step that does not hold is not taken.
use super::content::{self, Price, Read, Receipt};
use super::metered::{Metered, Verdict as Counted};
use sycee_core::arithmetic::price;
use sycee_core::entry::Entry;
use sycee_core::ids::{Amount, Hash};
use sycee_log::merkle::file::{Content, Growth, Proof, Shown};
use sycee_log::merkle::proof::{verify_consistency, verify_inclusion};
use sycee_log::{Checkpoint, Verifier};

#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) holds: bool,
    /// What holds, or why it does not.
    pub(super) text: String,
}

/// A step that does not hold.
struct Stop;

impl Verdict {
    pub(super) fn is_proved(&self) -> bool {
        self.cause().is_none()
    }

    pub(super) fn cause(&self) -> Option<String> {
        let failed = self.steps.iter().find(|step| !step.holds);
        failed.map(|step| format!("{}: {}", step.name, step.text))
    }

    fn step(&mut self, name: &'static str, found: Result<String, String>) -> Result<(), Stop> {
        let holds = found.is_ok();
        let text = found.unwrap_or_else(|why| why);
        self.steps.push(Step { name, holds, text });
        if holds { Ok(()) } else { Err(Stop) }
    }
}

/// Whether an entry or a line is in the log whose key this is, and costs what its price says.
pub(super) fn proof(proof: &Proof, key: &Verifier) -> Verdict {
    let mut verdict = Verdict::default();
    // What stopped it is the last step.
    let (Ok(()) | Err(Stop)) = steps_of_proof(&mut verdict, proof, key);
    verdict
}

fn steps_of_proof(verdict: &mut Verdict, proof: &Proof, key: &Verifier) -> Result<(), Stop> {
    let Proof { shown, index, path, beside, checkpoint } = proof;
    let checkpoint = signed(verdict, "signature", checkpoint, key)?;
    verdict.step("place", place(shown, *index, &checkpoint))?;
    let read = in_log(verdict, &checkpoint, shown, path)?;
    let mut entries = Vec::new();
    for (shown, path) in beside {
        verdict.step("beside", place(shown, shown.leaf.position, &checkpoint))?;
        entries.push(match in_log(verdict, &checkpoint, shown, path)? {
            Read::Entry(entry) => entry,
            Read::Line(_) => {
                return verdict.step("content", Err("a line proves nothing of another".to_owned()));
            }
        });
    }
    priced(verdict, &read, &entries)
}

/// Whether the log whose key this is began as a kept checkpoint says.
pub(super) fn growth(growth: &Growth, key: &Verifier, kept: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let (Ok(()) | Err(Stop)) = steps_of_growth(&mut verdict, growth, key, kept);
    verdict
}

fn steps_of_growth(verdict: &mut Verdict, growth: &Growth, key: &Verifier, kept: &str) -> Result<(), Stop> {
    let Growth { old, path, checkpoint } = growth;
    let now = signed(verdict, "signature", checkpoint, key)?;
    let then = signed(verdict, "kept", kept, key)?;
    verdict.step(
        "size",
        if then.size == *old {
            Ok(format!("it is about the {old} entries that were there then"))
        } else {
            Err(format!("it is about the first {old} entries, the kept checkpoint about {}", then.size))
        },
    )?;
    let grown = verify_consistency(then.size, &then.root, now.size, &now.root, path);
    let held =
        format!("{} hashes lead to both roots: the log then is the beginning of the log now", path.len());
    verdict.step("growth", grown.map(|()| held).map_err(|why| why.to_string()))
}

fn signed(verdict: &mut Verdict, name: &'static str, note: &str, key: &Verifier) -> Result<Checkpoint, Stop> {
    let opened = Checkpoint::open(note, key).map_err(|error| error.to_string()).and_then(|checkpoint| {
        // A key is one log's.
        let ours = checkpoint.origin == key.name();
        if ours { Ok(checkpoint) } else { Err(format!("it speaks of another log, {}", checkpoint.origin)) }
    });
    match opened {
        Ok(checkpoint) => {
            let text = format!("{} had {} entries, signed with {key}", checkpoint.origin, checkpoint.size);
            verdict.step(name, Ok(text))?;
            Ok(checkpoint)
        }
        Err(why) => Err(verdict.step(name, Err(why)).err().unwrap_or(Stop)),
    }
}

fn place(shown: &Shown, index: u64, checkpoint: &Checkpoint) -> Result<String, String> {
    let position = shown.leaf.position;
    if index != position {
        return Err(format!("the leaf is that of position {position}, the path that of {index}"));
    }
    if position >= checkpoint.size {
        return Err(format!("position {position} is not among the {} entries signed", checkpoint.size));
    }
    Ok(format!("position {position} of {}", checkpoint.size))
}

/// The steps from what is shown to the root.
fn in_log(
    verdict: &mut Verdict,
    checkpoint: &Checkpoint,
    shown: &Shown,
    path: &[[u8; 32]],
) -> Result<Read, Stop> {
    verdict.step("commitment", commits(shown))?;
    let (leaf, Checkpoint { origin: _, size, root }) = (&shown.leaf, checkpoint);
    let included = verify_inclusion(leaf.hash(), leaf.position, *size, root, path);
    let led = format!("{} hashes lead from the leaf to the root that was signed", path.len());
    verdict.step("inclusion", included.map(|()| led).map_err(|why| why.to_string()))?;
    match content::read(shown) {
        Ok(read) => {
            let text = match &read {
                Read::Entry(_) => "it is an entry of this place and time",
                Read::Line(_) => "it is a line of metering",
            };
            verdict.step("content", Ok(text.to_owned()))?;
            Ok(read)
        }
        Err(why) => Err(verdict.step("content", Err(why)).err().unwrap_or(Stop)),
    }
}

fn commits(shown: &Shown) -> Result<String, String> {
    let what = match &shown.content {
        Content::Entry(entry) => format!("the {} bytes of the entry", entry.len()),
        Content::Line { line, lines, path, .. } => {
            format!("the {} bytes of the line, by {} hashes among {lines} lines", line.len(), path.len())
        }
    };
    match shown.commitment() {
        None => Err("the inner path is not as long as it is among so many lines".to_owned()),
        Some(made) if made != shown.leaf.commitment => Err(format!("the leaf does not commit to {what}")),
        Some(_) => Ok(format!("the leaf commits to {what}")),
    }
}

/// That what was paid is what the published price says. Where nothing has a price, nothing is to be said.
fn priced(verdict: &mut Verdict, read: &Read, beside: &[Box<Entry>]) -> Result<(), Stop> {
    let mut published = beside.iter().flat_map(|entry| content::prices(entry));
    match read {
        Read::Line(line) if line.price == Hash([0; 32]) => Ok(()),
        Read::Line(line) => {
            let price = published.find(|price| price.hash() == line.price);
            let Some(price) = named(verdict, price, beside.is_empty())? else { return Ok(()) };
            verdict.step("amount", line_costs(line, &price))
        }
        Read::Entry(entry) => {
            let receipts = content::receipts(entry);
            for receipt in &receipts {
                verdict.step("split", split(receipt))?;
            }
            let [receipt] = receipts.as_slice() else { return Ok(()) };
            let (offer, schedule) = (receipt.settled.delivery.offer, receipt.settled.schedule);
            let price = published.find(|price| (price.offer, price.schedule) == (offer, schedule));
            let Some(price) = named(verdict, price, beside.is_empty())? else { return Ok(()) };
            verdict.step("amount", receipt_costs(receipt, &price))
        }
    }
}

/// The price, if the file has it. What stands beside for nothing is not passed over.
fn named<'a>(verdict: &mut Verdict, price: Option<Price<'a>>, bare: bool) -> Result<Option<Price<'a>>, Stop> {
    match price {
        Some(price) => {
            let text = format!("{} of {} is published beside it", price.schedule, price.offer);
            verdict.step("price", Ok(text))?;
        }
        None if bare => {
            verdict.step("price", Ok("not shown: the amount was not reckoned again".to_owned()))?;
        }
        None => verdict.step("price", Err("no entry beside it publishes its price".to_owned()))?,
    }
    Ok(price)
}

fn split(receipt: &Receipt<'_>) -> Result<String, String> {
    let sum: Amount = receipt.legs.iter().fold(0, |sum, leg| sum.saturating_add(leg.amount));
    let total = receipt.settled.total;
    if sum == total {
        Ok(format!("{} parts sum to the {total} units that were paid", receipt.legs.len()))
    } else {
        Err(format!("the parts sum to {sum}, and {total} units were paid"))
    }
}

fn receipt_costs(receipt: &Receipt<'_>, price: &Price<'_>) -> Result<String, String> {
    let (usage, total) = (&receipt.settled.delivery.usage, receipt.settled.total);
    let cost = price::total(usage, &price.prices.prices);
    let hold = receipt.settled.hold;
    same(total, cost.map_or(hold, |cost| cost.min(hold)))
}

fn line_costs(line: &Metered, price: &Price<'_>) -> Result<String, String> {
    let cost = match line.verdict {
        Counted::Paid => price::total(&line.usage, &price.prices.prices),
        Counted::CountedBefore | Counted::Refused(_) => Some(0),
    };
    same(line.paid, cost.ok_or_else(|| "no amount is so large".to_owned())?)
}

fn same(paid: Amount, cost: Amount) -> Result<String, String> {
    if paid == cost {
        Ok(format!("{paid} units, as its tokens cost at that price"))
    } else {
        Err(format!("{paid} units were paid, and its tokens cost {cost} at that price"))
    }
}

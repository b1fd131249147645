//! `sycee proof`: that something is in a log, for people who have no log.
//!
//! A proof file is checked with nothing but the log's key, which its reader has from elsewhere; see `docs/reference/proofs.md`.
use crate::cli::{Proof, ProofVerify};
use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;
use sycee_log::Verifier;
use sycee_log::merkle::file::File;

mod check;
mod content;
mod make;
mod metered;

pub(crate) fn run(command: &Proof) -> Result<ExitCode> {
    match command {
        Proof::Verify(arguments) => verify(arguments),
        Proof::Show { file } => show(file),
        Proof::Make { dir, what, with_others, out } => {
            hand_out(&make::proof(dir, *what, *with_others)?.to_string(), out.as_deref())
        }
        Proof::Growth { dir, kept, out } => hand_out(&make::growth(dir, kept)?.to_string(), out.as_deref()),
        Proof::Key { dir } => {
            say!("{}", make::key(dir)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verify(arguments: &ProofVerify) -> Result<ExitCode> {
    let checked = read(arguments);
    if arguments.json {
        // Whoever asked for JSON gets it, also of what cannot be read.
        let report = checked.as_ref().map_or_else(|error| unread(&crate::text(error)), report);
        say!("{report:#}");
    }
    let found = checked?;
    if !arguments.json {
        tell(&found);
    }
    Ok(if found.verdict.is_proved() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was checked, and what came of it.
struct Found {
    file: File,
    verdict: check::Verdict,
}

fn read(arguments: &ProofVerify) -> Result<Found> {
    let file = open(&arguments.file)?;
    let key = key(&arguments.key)?;
    let kept = arguments.kept.as_deref().map(text_of).transpose()?;
    let verdict = match (&file, &kept) {
        (File::Proof(proof), None) => check::proof(proof, &key),
        (File::Growth(growth), Some(kept)) => check::growth(growth, &key, kept),
        (File::Proof(_), Some(_)) => {
            bail!("{} proves an entry, which needs no kept checkpoint", arguments.file.display())
        }
        (File::Growth(_), None) => bail!(
            "{} proves how a log has grown\n  hint: name the checkpoint that was kept with --kept FILE",
            arguments.file.display()
        ),
    };
    Ok(Found { file, verdict })
}

fn tell(Found { file, verdict }: &Found) {
    for step in &verdict.steps {
        say!("{:<3} {:<10} {}", if step.holds { "ok" } else { "NO" }, step.name, step.text);
    }
    match (verdict.is_proved(), file) {
        (false, _) => say!("NOT PROVED"),
        (true, File::Proof(proof)) => say!("PROVED: {}", content::in_a_line(&proof.shown)),
        (true, File::Growth(_)) => say!("PROVED: nothing of the kept checkpoint was changed or left out"),
    }
}

fn report(Found { file, verdict }: &Found) -> Value {
    let steps = verdict.steps.iter();
    let steps: Vec<Value> =
        steps.map(|step| json!({ "step": step.name, "holds": step.holds, "text": step.text })).collect();
    json!({ "proved": verdict.is_proved(), "cause": verdict.cause(), "steps": steps, "file": facts(file) })
}

fn unread(cause: &str) -> Value {
    json!({ "proved": false, "cause": cause, "steps": [], "file": null })
}

fn show(path: &Path) -> Result<ExitCode> {
    say!("{:#}", facts(&open(path)?));
    Ok(ExitCode::SUCCESS)
}

/// What a file says, whether it is true or not.
fn facts(file: &File) -> Value {
    let (kind, body, checkpoint) = match file {
        File::Proof(proof) => {
            let beside: Vec<Value> = proof.beside.iter().map(|(shown, _)| content::facts(shown)).collect();
            let body = json!({ "shown": content::facts(&proof.shown), "beside": beside });
            ("proof", body, &proof.checkpoint)
        }
        File::Growth(growth) => ("growth", json!({ "old": growth.old }), &growth.checkpoint),
    };
    let mut facts = Map::from_iter([("kind".to_owned(), json!(kind))]);
    facts.extend(body.as_object().cloned().unwrap_or_default());
    facts.insert("checkpoint".to_owned(), json!(checkpoint));
    Value::Object(facts)
}

fn open(path: &Path) -> Result<File> {
    text_of(path)?.parse().with_context(|| format!("failed to read {}", path.display()))
}

fn text_of(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// A key as text, or the file that has it.
fn key(given: &str) -> Result<Verifier> {
    let hint = "\n  hint: a key is a line such as that of `sycee proof key DIR`, or a file with that line";
    match given.parse() {
        Ok(key) => Ok(key),
        Err(error) if !Path::new(given).exists() => {
            Err(error).context(format!("failed to read the key{hint}"))
        }
        Err(_) => {
            let text = text_of(Path::new(given))?;
            text.trim_end().parse().with_context(|| format!("failed to read a key in {given}{hint}"))
        }
    }
}

fn hand_out(text: &str, out: Option<&Path>) -> Result<ExitCode> {
    match out {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
        }
        None => {
            use std::io::Write as _;
            std::io::stdout().lock().write_all(text.as_bytes()).context("failed to print the proof")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;

//! The commands that work on a log directory: found it, check it, copy it.
use crate::cli;
use crate::text;
use anyhow::{Context as _, Result};
use std::process::ExitCode;
use std::sync::Arc;
use sycee_api::secret;
use sycee_core::genesis::AssetDefinition;
use sycee_log::{Disk, RealDisk};
use sycee_node::{Clock, Founding, Kept, Report};

/// Decimals of every credit.
pub(crate) const CREDIT_DECIMALS: u8 = 9;

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

pub(crate) fn init(arguments: &cli::Init) -> Result<ExitCode> {
    let key = secret::api_key().context("failed to draw a key")?;
    let assets = arguments.assets.iter();
    let founding = Founding {
        origin: arguments.origin.clone(),
        assets: assets
            .map(|code| AssetDefinition { code: code.clone(), decimals: CREDIT_DECIMALS })
            .collect(),
        operator_name: arguments.operator.clone(),
        operator_key_hash: secret::hash(&key),
        segment_bytes: arguments.segment.bytes(),
    };
    let operator = sycee_node::init(&disk(), &arguments.dir, &Clock::system(), founding)?;
    say!("founded {} in {}", arguments.origin, arguments.dir.display());
    say!("operator {operator}, key (shown only now): {key}");
    say!("next: write sycee.toml, then `sycee serve --data {}`", arguments.dir.display());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn verify(arguments: &cli::Verify) -> Result<ExitCode> {
    let checked = check(arguments);
    if arguments.json {
        // Whoever asked for JSON gets it, also of what cannot be read.
        let unread = |error| Report::unread(text(error));
        let report = checked.as_ref().map_or_else(unread, Report::clone);
        say!("{}", serde_json::to_string_pretty(&report)?);
    }
    let report = checked?;
    if !arguments.json {
        tell(&report);
        if let Some(path) = arguments.checkpoint.as_ref().filter(|_| report.sound) {
            say!("the log has all that {} signed", path.display());
        }
    }
    Ok(if report.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(arguments: &cli::Verify) -> Result<Report> {
    let kept = arguments.checkpoint.as_ref().map(|path| {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("failed to read the checkpoint {name}"))?;
        Ok::<_, anyhow::Error>(Kept { name, bytes })
    });
    Ok(sycee_node::verify(&disk(), &arguments.dir, kept.transpose()?)?)
}

fn tell(report: &Report) {
    match &report.cause {
        None => say!("sound: {} entries", report.entries),
        Some(cause) => say!("NOT SOUND after {} entries: {cause}", report.entries),
    }
    say!("state {}", report.state_hash);
    say!("root  {}", report.root);
    for asset in &report.assets {
        say!(
            "{}: all balances sum to {}; members and platform have {} of its smallest units",
            asset.code,
            asset.sum,
            asset.issued
        );
    }
    if report.folded_only > 0 {
        say!("{} entries were decided by other rules: folded, not decided again", report.folded_only);
    }
    if report.not_yet_durable > 0 {
        say!("{} frames at the end are not durable yet", report.not_yet_durable);
    }
}

pub(crate) fn backup(arguments: &cli::Copy) -> Result<ExitCode> {
    let report = sycee_node::backup(&disk(), &arguments.from, &arguments.to, arguments.segment.bytes())?;
    tell(&report);
    Ok(if report.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn restore(arguments: &cli::Copy) -> Result<ExitCode> {
    let report = sycee_node::restore(&disk(), &arguments.from, &arguments.to, arguments.segment.bytes())?;
    tell(&report);
    Ok(ExitCode::SUCCESS)
}

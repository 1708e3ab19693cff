//! `ferrymq snapshot`.

use std::time::SystemTime;

use ferrymq_client::v1::Snapshot;

use super::Context;
use crate::args::SnapshotCommand;
use crate::failure::Failure;
use crate::{json, output};

/// Runs one of them.
pub async fn run(command: SnapshotCommand, context: &Context) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Create { name, queue, keep_for } => {
            let expire_time = keep_for.and_then(|keep| SystemTime::now().checked_add(keep)).map(Into::into);
            let snapshot = Snapshot { name, queue, expire_time, ..Snapshot::default() };
            let made = context.client.create_snapshot(snapshot).await?;
            if context.json {
                output::value(&json::of("Snapshot", &made), true)?;
            }
            output::note(&format!("snapshot `{}` of queue `{}` until {}", made.name, made.queue, until(&made)));
            Ok(())
        }
        SnapshotCommand::Get(which) => {
            let snapshot = context.client.get_snapshot(which.name).await?;
            Ok(output::value(&json::of("Snapshot", &snapshot), context.json)?)
        }
        SnapshotCommand::List { queue } => list(&queue, context).await,
        SnapshotCommand::Delete(which) => {
            context.client.delete_snapshot(&which.name).await?;
            output::note(&format!("snapshot `{}` deleted", which.name));
            Ok(())
        }
    }
}

async fn list(queue: &str, context: &Context) -> Result<(), Failure> {
    let snapshots = context.client.list_snapshots(queue).await?;
    if context.json {
        for snapshot in &snapshots {
            output::value(&json::of("Snapshot", snapshot), true)?;
        }
        return Ok(());
    }
    let row = |snapshot: Snapshot| {
        let until = until(&snapshot);
        vec![snapshot.name, snapshot.queue, until]
    };
    let rows: Vec<_> = snapshots.into_iter().map(row).collect();
    Ok(output::table(&["SNAPSHOT", "QUEUE", "KEPT UNTIL"], &rows)?)
}

fn until(snapshot: &Snapshot) -> String {
    snapshot.expire_time.map(|time| time.to_string()).unwrap_or_default()
}

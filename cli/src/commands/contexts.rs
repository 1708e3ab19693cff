//! `ferrymq context`.

use ferrymq_client::Client;

use crate::args::ContextCommand;
use crate::contexts::{self, Broker, Contexts};
use crate::failure::Failure;
use crate::output;

/// Runs one of them. None talks to a broker.
pub fn run(command: ContextCommand, as_json: bool) -> Result<(), Failure> {
    let file = contexts::file()?;
    let mut known = Contexts::read(&file)?;
    let said = match command {
        ContextCommand::List => return list(&known, as_json),
        ContextCommand::Add(new) => {
            // It is looked at, and not called.
            Client::builder(new.url.clone()).connect_lazy()?;
            if known.contexts.contains_key(&new.name) && !new.replace {
                let failure = Failure::precondition(format!("context `{}` is there already", new.name));
                return Err(failure.hint("--replace gives the name to this broker"));
            }
            if new.used {
                known.used = Some(new.name.clone());
            }
            known.contexts.insert(new.name.clone(), Broker { url: new.url });
            format!("context `{}` added{}", new.name, if new.used { " and in use" } else { "" })
        }
        ContextCommand::Use(which) => {
            let url = known.url(&which.name)?;
            known.used = Some(which.name.clone());
            format!("context `{}` in use: {url}", which.name)
        }
        ContextCommand::Remove(which) => {
            known.contexts.remove(&which.name).ok_or_else(|| known.unknown(&which.name))?;
            known.used = known.used.filter(|used| *used != which.name);
            format!("context `{}` removed", which.name)
        }
    };
    known.write(&file)?;
    output::note(&said);
    Ok(())
}

fn list(known: &Contexts, as_json: bool) -> Result<(), Failure> {
    let is_used = |name: &str| known.used.as_deref() == Some(name);
    if as_json {
        for (name, broker) in &known.contexts {
            let value = serde_json::json!({ "name": name, "url": broker.url, "used": is_used(name) });
            output::value(&value, true)?;
        }
        return Ok(());
    }
    let row = |name: &String, broker: &Broker| {
        let star = if is_used(name) { "*" } else { "" };
        vec![star.to_owned(), name.clone(), broker.url.clone()]
    };
    let rows: Vec<_> = known.contexts.iter().map(|(name, broker)| row(name, broker)).collect();
    Ok(output::table(&["", "CONTEXT", "URL"], &rows)?)
}

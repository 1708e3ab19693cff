//! What the documentation shows: the blocks of a page in Markdown, and what is said of them in comments.

/// What a page shows, in order.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// The line that it begins at, from 1.
    pub line: usize,
    /// What it is.
    pub shows: Shows,
    /// Its text, without indentation and fences. Of a table, its commands, a line each.
    pub text: String,
    /// The HTML comments right before it.
    pub notes: Vec<String>,
}

/// What a block is.
#[derive(Debug, PartialEq)]
pub enum Shows {
    /// Commands for a shell: indented, fenced without a language, or those in a table that begin with the program and leave nothing in
    /// CAPITALS to be filled in.
    Commands,
    /// What the commands before it print: fenced as `text`.
    Output,
    /// Fenced as another language: the words after the fence.
    Source(String),
}

impl Block {
    /// What a comment before it says under a name: `<!-- name: what -->`.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.notes.iter().find_map(|note| note.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// The blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let lines: Vec<&str> = page.lines().collect();
    let (mut blocks, mut notes, mut at) = (Vec::new(), Vec::new(), 0);
    while at < lines.len() {
        let rest = &lines[at..];
        let after_blank = at == 0 || lines[at - 1].trim().is_empty();
        let taken = if rest[0].starts_with("<!--") {
            let length = 1 + rest.iter().position(|line| line.contains("-->")).unwrap_or(rest.len() - 1);
            notes.push(rest[..length].join("\n").replace("<!--", "").replace("-->", "").trim().to_owned());
            at += length;
            continue;
        } else if let Some(info) = rest[0].strip_prefix("```") {
            fenced(rest, info)
        } else if rest[0].starts_with("    ") && after_blank {
            indented(rest)
        } else if rest[0].starts_with('|') {
            table(rest)
        } else {
            if !rest[0].trim().is_empty() {
                notes.clear();
            }
            at += 1;
            continue;
        };
        let (length, shows, text) = taken;
        if !text.is_empty() {
            blocks.push(Block { line: at + 1, shows, text, notes: std::mem::take(&mut notes) });
        }
        at += length;
    }
    blocks
}

/// How many lines a block takes, what it is, its text.
type Taken = (usize, Shows, String);

fn fenced(lines: &[&str], info: &str) -> Taken {
    let inside: Vec<&str> = lines[1..].iter().take_while(|line| !line.starts_with("```")).copied().collect();
    let shows = match info.trim() {
        "" | "sh" => Shows::Commands,
        "text" => Shows::Output,
        language => Shows::Source(language.to_owned()),
    };
    (inside.len() + 2, shows, inside.join("\n"))
}

fn indented(lines: &[&str]) -> Taken {
    let inside: Vec<&str> = lines.iter().map_while(|line| line.strip_prefix("    ")).collect();
    (inside.len(), Shows::Commands, inside.join("\n"))
}

fn table(lines: &[&str]) -> Taken {
    let rows: Vec<&str> = lines.iter().take_while(|line| line.starts_with('|')).copied().collect();
    let code = rows.iter().flat_map(|row| row.split('`').skip(1).step_by(2));
    let commands = code.filter(|code| code.starts_with("ferrymq ") && !code.split_whitespace().any(is_to_be_filled_in));
    let commands: Vec<String> = commands.map(|code| code.replace("\\|", "|")).collect();
    (rows.len(), Shows::Commands, commands.join("\n"))
}

fn is_to_be_filled_in(word: &str) -> bool {
    word.len() > 1 && word.chars().take(2).all(|c| c.is_ascii_uppercase())
}

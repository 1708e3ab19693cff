//! A filter's tokens as a tree, by precedence. Nesting is counted before the stack is used for it.

use super::DEPTH_MAX;
use super::lexer::{Token, tokens};
use super::syntax::{Binary, Fault, Function, Kind, Method, Node, Quantifier, too_deep};
use super::words::{OPERATORS, check_free, shown, variable};

/// Most regular expressions in a filter, and the memory that each may take, in bytes.
const REGEXES_MAX: usize = 8;
const REGEX_BYTES_MAX: usize = 256 << 10;

pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, locals: Vec::new(), regexes: 0 };
    let root = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(root),
        other => Err(parser.fault(format!("an operator is missing before {}", shown(other)))),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    /// Names that the macros around bind.
    locals: Vec<String>,
    regexes: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |(at, _)| *at)
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.at(), message)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(next) if *next == sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.accept(sign) {
            return Ok(());
        }
        Err(self.fault(format!("`{sign}` is expected here, not {}", shown(self.peek()))))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= DEPTH_MAX {
            return Err(too_deep(self.at()));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        self.deeper(|parser| {
            let at = parser.at();
            let condition = parser.any()?;
            if !parser.accept("?") {
                return Ok(condition);
            }
            let yes = parser.any()?;
            parser.expect(":")?;
            let no = parser.expression()?;
            Node::new(Kind::Choose(Box::new(condition), Box::new(yes), Box::new(no)), at)
        })
    }

    fn any(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let first = self.all()?;
        let mut parts = vec![first];
        while self.accept("||") {
            parts.push(self.all()?);
        }
        joined(parts, Kind::Any, at)
    }

    fn all(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let mut parts = vec![self.operation(1)?];
        while self.accept("&&") {
            parts.push(self.operation(1)?);
        }
        joined(parts, Kind::All, at)
    }

    /// Operators that bind as `level` or tighter, each from the left.
    fn operation(&mut self, level: u8) -> Result<Node, Fault> {
        let at = self.at();
        let mut left = self.unary()?;
        while let Some((binds, operator)) = self.operator().filter(|(binds, _)| *binds >= level) {
            self.next += 1;
            let right = self.operation(binds + 1)?;
            left = Node::new(Kind::Binary(operator, Box::new(left), Box::new(right)), at)?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(u8, Binary)> {
        match self.peek() {
            Token::Name(name) if name == "in" => Some((1, Binary::In)),
            Token::Sign(sign) => {
                OPERATORS.iter().find(|(known, ..)| known == sign).map(|(_, level, operator)| (*level, *operator))
            }
            _ => None,
        }
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        if self.accept("!") {
            let of = self.deeper(Self::unary)?;
            return Node::new(Kind::Not(Box::new(of)), at);
        }
        if !self.accept("-") {
            return self.postfix();
        }
        // The smallest number has no positive twin.
        if let Token::Int(number) = *self.peek()
            && number == i64::MIN.unsigned_abs()
        {
            self.next += 1;
            return Node::new(Kind::Int(i64::MIN), at);
        }
        let of = self.deeper(Self::unary)?;
        match of.kind {
            Kind::Int(number) if number > i64::MIN => Node::new(Kind::Int(-number), at),
            Kind::Double(number) => Node::new(Kind::Double(-number), at),
            _ => Node::new(Kind::Negate(Box::new(of)), at),
        }
    }

    fn postfix(&mut self) -> Result<Node, Fault> {
        let mut of = self.primary()?;
        loop {
            let at = self.at();
            if self.accept(".") {
                of = self.member(of, at)?;
            } else if self.accept("[") {
                let key = self.expression()?;
                self.expect("]")?;
                of = Node::new(Kind::Index(Box::new(of), Box::new(key)), at)?;
            } else {
                return Ok(of);
            }
        }
    }

    fn member(&mut self, of: Node, at: usize) -> Result<Node, Fault> {
        let at_name = self.at();
        let Token::Name(name) = self.take() else {
            return Err(Fault::new(at_name, "a name is expected after the dot"));
        };
        if !self.accept("(") {
            return Node::new(Kind::Field(Box::new(of), name.into()), at);
        }
        let method = match name.as_str() {
            "startsWith" => Method::StartsWith,
            "endsWith" => Method::EndsWith,
            "contains" => Method::Contains,
            "matches" => return self.regex(of, at_name),
            "size" => {
                self.expect(")")?;
                return Node::new(Kind::Call(Function::Size, Box::new(of)), at_name);
            }
            "all" => return self.each(Quantifier::All, of, at_name),
            "exists" => return self.each(Quantifier::Exists, of, at_name),
            _ => return Err(Fault::new(at_name, format!("there is no method `{name}` here"))),
        };
        let with = self.expression()?;
        self.expect(")")?;
        Node::new(Kind::Method(method, Box::new(of), Box::new(with)), at_name)
    }

    /// The expression must be there as a text, so that it is compiled here.
    fn regex(&mut self, of: Node, at: usize) -> Result<Node, Fault> {
        let at_text = self.at();
        let Token::Text(text) = self.take() else {
            return Err(Fault::new(at_text, "`matches` takes a text in quotes"));
        };
        self.expect(")")?;
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            return Err(Fault::new(at, format!("at most {REGEXES_MAX} regular expressions in a filter")));
        }
        let built = regex::RegexBuilder::new(&text)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .nest_limit(DEPTH_MAX as u32)
            .build();
        let built = built.map_err(|error| Fault::new(at_text, format!("bad regular expression: {}", cause(&error))))?;
        Node::new(Kind::Matches(Box::new(of), Box::new(built)), at)
    }

    fn each(&mut self, quantifier: Quantifier, of: Node, at: usize) -> Result<Node, Fault> {
        let at_name = self.at();
        let Token::Name(name) = self.take() else {
            return Err(Fault::new(at_name, "a name for each element is expected here"));
        };
        check_free(&name, at_name)?;
        self.expect(",")?;
        self.locals.push(name);
        let body = self.expression();
        self.locals.pop();
        let body = body?;
        self.expect(")")?;
        Node::new(Kind::Each(quantifier, Box::new(of), Box::new(body)), at)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        match self.take() {
            Token::Int(number) => {
                let number = i64::try_from(number).map_err(|_| Fault::new(at, "is no number of 64 bits"))?;
                Node::new(Kind::Int(number), at)
            }
            Token::Double(number) => Node::new(Kind::Double(number), at),
            Token::Text(text) => Node::new(Kind::Text(text.into()), at),
            Token::Name(name) => self.named(&name, at),
            Token::Sign("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => self.list(at),
            Token::Sign("{") => Err(Fault::new(at, "maps cannot be written here")),
            other => Err(Fault::new(at, format!("a value is expected here, not {}", shown(&other)))),
        }
    }

    fn list(&mut self, at: usize) -> Result<Node, Fault> {
        let mut elements = Vec::new();
        while !self.accept("]") {
            elements.push(self.expression()?);
            if !self.accept(",") {
                self.expect("]")?;
                break;
            }
        }
        Node::new(Kind::List(elements), at)
    }

    fn named(&mut self, name: &str, at: usize) -> Result<Node, Fault> {
        if self.accept("(") {
            return self.call(name, at);
        }
        let kind = match name {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            _ => match self.locals.iter().rposition(|local| local == name) {
                Some(level) => Kind::Local(level),
                None => Kind::Variable(variable(name, at)?),
            },
        };
        Node::new(kind, at)
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Node, Fault> {
        let of = self.expression()?;
        self.expect(")")?;
        let function = match name {
            "has" => {
                let Kind::Field(of, field) = of.kind else {
                    return Err(Fault::new(of.at, "`has` takes a field, as in `has(attributes.country)`"));
                };
                return Node::new(Kind::Has(of, field), at);
            }
            "size" => Function::Size,
            "int" => Function::Int,
            "double" => Function::Double,
            "string" => Function::String,
            _ => return Err(Fault::new(at, format!("there is no function `{name}` here"))),
        };
        Node::new(Kind::Call(function, Box::new(of)), at)
    }
}

fn joined(mut parts: Vec<Node>, kind: impl FnOnce(Vec<Node>) -> Kind, at: usize) -> Result<Node, Fault> {
    match parts.len() {
        1 => parts.pop().ok_or_else(|| Fault::new(at, "is empty")),
        _ => Node::new(kind(parts), at),
    }
}

/// The last line of what the compiler of regular expressions says, which has the cause.
fn cause(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

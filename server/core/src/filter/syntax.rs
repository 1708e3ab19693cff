//! What a filter is made of once it is parsed.

use super::DEPTH_MAX;

/// What is wrong with a text, and the byte where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// What filters speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Attributes,
    RoutingKey,
    OrderingKey,
    ContentType,
    Priority,
    Json,
}

/// Their names.
pub(super) const VARIABLES: [(&str, Variable); 6] = [
    ("attributes", Variable::Attributes),
    ("routing_key", Variable::RoutingKey),
    ("ordering_key", Variable::OrderingKey),
    ("content_type", Variable::ContentType),
    ("priority", Variable::Priority),
    ("json", Variable::Json),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Functions of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Int,
    Double,
    String,
}

/// Methods of a string with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    All,
    Exists,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    List(Vec<Node>),
    Variable(Variable),
    /// The value that the macro so many levels further out goes through, the outermost being 0.
    Local(usize),
    Field(Box<Node>, Box<str>),
    Index(Box<Node>, Box<Node>),
    /// `has(...)` of a field.
    Has(Box<Node>, Box<str>),
    Not(Box<Node>),
    Negate(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Choose(Box<Node>, Box<Node>, Box<Node>),
    Call(Function, Box<Node>),
    Method(Method, Box<Node>, Box<Node>),
    Matches(Box<Node>, Box<regex::Regex>),
    Each(Quantifier, Box<Node>, Box<Node>),
}

/// A part of a filter, and the byte where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) at: usize,
    /// Levels below and including this one: what walks the tree needs no more of the stack.
    depth: usize,
}

impl Node {
    pub(super) fn new(kind: Kind, at: usize) -> Result<Self, Fault> {
        let depth = 1 + deepest_child(&kind);
        if depth > DEPTH_MAX {
            return Err(too_deep(at));
        }
        Ok(Self { kind, at, depth })
    }
}

pub(super) fn too_deep(at: usize) -> Fault {
    Fault::new(at, format!("is nested more than {DEPTH_MAX} levels deep"))
}

fn deepest_child(kind: &Kind) -> usize {
    let deepest = |nodes: &[&Node]| nodes.iter().map(|node| node.depth).max().unwrap_or(0);
    match kind {
        Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Double(_) | Kind::Text(_) => 0,
        Kind::Variable(_) | Kind::Local(_) => 0,
        Kind::List(nodes) | Kind::All(nodes) | Kind::Any(nodes) => {
            nodes.iter().map(|node| node.depth).max().unwrap_or(0)
        }
        Kind::Field(of, _) | Kind::Has(of, _) | Kind::Not(of) | Kind::Negate(of) => of.depth,
        Kind::Call(_, of) | Kind::Matches(of, _) => of.depth,
        Kind::Index(one, two) | Kind::Binary(_, one, two) => deepest(&[one, two]),
        Kind::Method(_, one, two) | Kind::Each(_, one, two) => deepest(&[one, two]),
        Kind::Choose(one, two, three) => deepest(&[one, two, three]),
    }
}

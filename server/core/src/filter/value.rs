//! Values while a filter is evaluated: parts of the message wherever they can be.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::json;
use super::syntax::{Binary, Function, Node};

/// It cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Undefined;

#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    /// Those of the message.
    Attributes,
    /// Of JSON.
    Object(&'a str),
    /// Of JSON.
    Array(&'a str),
    /// As the filter has it; its elements are evaluated when they are needed.
    List(&'a [Node]),
}

/// A number of JSON is a whole number if it is written as one and fits.
pub(super) fn from_json(text: &str) -> Value<'_> {
    match text.as_bytes().first() {
        Some(b'{') => Value::Object(text),
        Some(b'[') => Value::Array(text),
        Some(b'"') => Value::Text(json::text(text)),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') | None => Value::Null,
        Some(_) => match text.parse() {
            Ok(number) => Value::Int(number),
            Err(_) => text.parse().map_or(Value::Null, Value::Double),
        },
    }
}

impl Value<'_> {
    pub(super) fn is_container(&self) -> bool {
        matches!(self, Value::Attributes | Value::Object(_) | Value::Array(_) | Value::List(_))
    }

    /// Values of different kinds are not equal; numbers are of one kind. Containers are not compared.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, Undefined> {
        match (self, other) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::Bool(one), Value::Bool(two)) => Ok(one == two),
            (Value::Text(one), Value::Text(two)) => Ok(one == two),
            (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => {
                Ok(self.compare(other) == Some(Ordering::Equal))
            }
            _ if self.is_container() && other.is_container() => Err(Undefined),
            _ => Ok(false),
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Value::Int(one), Value::Int(two)) => Some(one.cmp(two)),
            (Value::Double(one), Value::Double(two)) => one.partial_cmp(two),
            (Value::Int(one), Value::Double(two)) => compare_exactly(*one, *two),
            (Value::Double(one), Value::Int(two)) => compare_exactly(*two, *one).map(Ordering::reverse),
            (Value::Text(one), Value::Text(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    fn is_comparable(&self, other: &Self) -> bool {
        let is_number = |value: &Self| matches!(value, Value::Int(_) | Value::Double(_));
        (is_number(self) && is_number(other)) || matches!((self, other), (Value::Text(_), Value::Text(_)))
    }
}

/// Without rounding the whole number.
fn compare_exactly(whole: i64, double: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    match whole.cmp(&(double.trunc() as i64)) {
        Ordering::Equal => 0.0.partial_cmp(&double.fract()),
        order => Some(order),
    }
}

/// All operators but `==`, `!=` and `in`.
pub(super) fn operate<'a>(operator: Binary, one: &Value<'a>, two: &Value<'a>) -> Result<Value<'a>, Undefined> {
    let ordered = |holds: fn(Ordering) -> bool| match one.is_comparable(two) {
        true => Ok(Value::Bool(one.compare(two).is_some_and(holds))),
        false => Err(Undefined),
    };
    match operator {
        Binary::Less => ordered(Ordering::is_lt),
        Binary::LessOrEqual => ordered(Ordering::is_le),
        Binary::Greater => ordered(Ordering::is_gt),
        Binary::GreaterOrEqual => ordered(Ordering::is_ge),
        _ => calculate(operator, one, two),
    }
}

fn calculate<'a>(operator: Binary, one: &Value<'a>, two: &Value<'a>) -> Result<Value<'a>, Undefined> {
    match (one, two) {
        (Value::Int(one), Value::Int(two)) => whole(operator, *one, *two).map(Value::Int),
        (Value::Int(one), Value::Double(two)) => double(operator, *one as f64, *two).map(Value::Double),
        (Value::Double(one), Value::Int(two)) => double(operator, *one, *two as f64).map(Value::Double),
        (Value::Double(one), Value::Double(two)) => double(operator, *one, *two).map(Value::Double),
        (Value::Text(one), Value::Text(two)) if operator == Binary::Add => {
            Ok(Value::Text(Cow::Owned([one.as_ref(), two.as_ref()].concat())))
        }
        _ => Err(Undefined),
    }
}

fn whole(operator: Binary, one: i64, two: i64) -> Result<i64, Undefined> {
    let result = match operator {
        Binary::Add => one.checked_add(two),
        Binary::Subtract => one.checked_sub(two),
        Binary::Multiply => one.checked_mul(two),
        Binary::Divide => one.checked_div(two),
        Binary::Remainder => one.checked_rem(two),
        _ => None,
    };
    result.ok_or(Undefined)
}

fn double(operator: Binary, one: f64, two: f64) -> Result<f64, Undefined> {
    match operator {
        Binary::Add => Ok(one + two),
        Binary::Subtract => Ok(one - two),
        Binary::Multiply => Ok(one * two),
        Binary::Divide => Ok(one / two),
        _ => Err(Undefined),
    }
}

/// `int`, `double` and `string`.
pub(super) fn convert<'a>(function: Function, value: Value<'a>) -> Result<Value<'a>, Undefined> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match (function, value) {
        (Function::Int, Value::Double(number)) if (-BEYOND..BEYOND).contains(&number) => Ok(Value::Int(number as i64)),
        (Function::Int, Value::Text(text)) => text.parse().map(Value::Int).map_err(|_| Undefined),
        (Function::Double, Value::Int(number)) => Ok(Value::Double(number as f64)),
        (Function::Double, Value::Text(text)) => text.parse().map(Value::Double).map_err(|_| Undefined),
        (Function::String, Value::Int(number)) => Ok(Value::Text(number.to_string().into())),
        (Function::String, Value::Double(number)) => Ok(Value::Text(number.to_string().into())),
        (Function::String, Value::Bool(truth)) => Ok(Value::Text(truth.to_string().into())),
        (Function::Int, value @ Value::Int(_))
        | (Function::Double, value @ Value::Double(_))
        | (Function::String, value @ Value::Text(_)) => Ok(value),
        _ => Err(Undefined),
    }
}

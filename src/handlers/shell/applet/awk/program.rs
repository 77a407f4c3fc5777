//! What a program of `awk` is made of.

use std::rc::Rc;

use regex::bytes::Regex;

#[derive(Debug)]
pub(super) enum Expression {
    Number(f64),
    Text(Rc<str>),
    Pattern(Regex),
    Variable(String),
    Element(String, Box<Expression>),
    Field(Box<Expression>),
    Assign(Box<Expression>, Option<&'static str>, Box<Expression>),
    /// `++x`, `x--`: what is added, and whether the value is the one before.
    Step(Box<Expression>, f64, bool),
    Unary(u8, Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
    In(Box<Expression>, String),
    Call(String, Vec<Expression>),
}

#[derive(Debug)]
pub(super) enum Statement {
    Print {
        format: bool,
        values: Vec<Expression>,
        file: Option<(bool, Expression)>,
    },
    Expression(Expression),
    If(Expression, Box<Statement>, Option<Box<Statement>>),
    While(Expression, Box<Statement>),
    /// `do ... while`
    Until(Box<Statement>, Expression),
    For(Option<Box<Statement>>, Option<Expression>, Option<Box<Statement>>, Box<Statement>),
    Each(String, String, Box<Statement>),
    Block(Vec<Statement>),
    Delete(String, Option<Expression>),
    Next,
    Exit(Option<Expression>),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) enum When {
    Begin,
    End,
    Always,
    If(Expression),
    Between(Expression, Expression),
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) when: When,
    /// `None`: the record is printed.
    pub(super) action: Option<Statement>,
}

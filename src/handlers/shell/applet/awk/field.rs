//! Variables, and the fields of the present record.

use super::program::Expression;
use super::value::Value;
use super::{Leaving, MAX_FIELDS, Machine};

impl Machine<'_, '_, '_> {
    pub(super) fn get(&self, name: &str) -> Value {
        self.variables.get(name).cloned().unwrap_or(Value::Nothing)
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.stored += if matches!(name, "NR" | "FNR" | "NF") { 0 } else { name.len() + value.size() };
        self.variables.insert(name.to_owned(), value);
    }

    pub(super) fn fields(&mut self) -> &mut Vec<String> {
        let separator = self.get("FS").to_text();
        let record = &self.record;
        self.fields.get_or_insert_with(|| super::function::pieces(record, &separator))
    }

    pub(super) fn field(&mut self, at: usize) -> Value {
        if at == 0 {
            return Value::read(&self.record);
        }
        self.fields().get(at - 1).map_or(Value::Nothing, |field| Value::read(field))
    }

    pub(super) fn set_field(&mut self, at: usize, value: &Value) {
        self.stored += value.size();
        if at == 0 {
            self.record = value.to_text();
            self.fields = None;
            return;
        }
        if at > MAX_FIELDS {
            return;
        }
        let text = value.to_text();
        let separator = self.get("OFS").to_text();
        let fields = self.fields();
        if fields.len() < at {
            fields.resize(at, String::new());
        }
        if let Some(field) = fields.get_mut(at - 1) {
            *field = text;
        }
        self.record = fields.join(&separator);
        self.stored += self.record.len();
    }

    pub(super) fn assign(&mut self, place: &Expression, value: Value) -> Result<Value, Leaving> {
        match place {
            Expression::Variable(name) => self.set(name, value.clone()),
            Expression::Element(name, index) => {
                let index = self.value(index)?.to_text();
                self.stored += 64 + index.len() + value.size();
                self.arrays.entry(name.clone()).or_default().insert(index, value.clone());
            }
            Expression::Field(at) => {
                let at = self.value(at)?.to_index();
                self.set_field(at, &value);
            }
            _ => {}
        }
        Ok(value)
    }
}

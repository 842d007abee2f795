//! What goes where there is too little room or time: delivered events first, ordinary ones before alarms, the oldest first.

use std::time::Duration;

use rusqlite::{Transaction, params};

use super::Class;
use super::loss::Loss;
use crate::base::event::LossReason;
use crate::base::time::Timestamp;

/// This part of what may wait is for alarms alone.
const ALARMS_PART: u64 = 5;
/// Where something is full, this part of it is emptied at once, so that not every further event costs another.
const AT_ONCE: u64 = 32;

/// How long events are kept, and how many.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    pub delivered: Duration,
    /// Payload bytes of delivered events.
    pub delivered_bytes_max: u64,
    pub undelivered: Duration,
    /// Payload bytes that may wait for the broker; a fifth of them is for alarms alone.
    pub undelivered_bytes_max: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Retention {
            delivered: 30 * DAY,
            delivered_bytes_max: 1_000_000_000,
            undelivered: 7 * DAY,
            undelivered_bytes_max: 256_000_000,
        }
    }
}

impl Retention {
    pub fn is_exceeded(&self, weight: &Weight) -> bool {
        let (most, Weight { ordinary, alarms, delivered }) = (self.undelivered_bytes_max, *weight);
        ordinary > most - most / ALARMS_PART || ordinary + alarms > most || delivered > self.delivered_bytes_max
    }
}

/// Payload bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    pub ordinary: u64,
    pub alarms: u64,
    pub delivered: u64,
}

impl Weight {
    pub fn waiting(&mut self, class: Class) -> &mut u64 {
        match class {
            Class::Ordinary => &mut self.ordinary,
            Class::Alarm => &mut self.alarms,
        }
    }
}

fn before(now: Timestamp, age: Duration) -> i64 {
    now.as_microsecond().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}

pub fn drop_delivered(
    transaction: &Transaction,
    retention: &Retention,
    weight: &mut Weight,
    now: Timestamp,
) -> rusqlite::Result<()> {
    // Oldest first, as far as they are old; a look at the first one is all that this costs as a rule.
    let cut = before(now, retention.delivered);
    let most = retention.delivered_bytes_max;
    let mut free = if weight.delivered > most { weight.delivered - (most - most / AT_ONCE) } else { 0 };
    let mut upto = None;
    {
        let sql = "SELECT sequence, recorded, LENGTH(payload) FROM event WHERE delivered IS NOT NULL ORDER BY sequence";
        let mut statement = transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (sequence, recorded, bytes): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if recorded >= cut && free == 0 {
                break;
            }
            free = free.saturating_sub(bytes.unsigned_abs());
            weight.delivered = weight.delivered.saturating_sub(bytes.unsigned_abs());
            upto = Some(sequence);
        }
    }
    if let Some(upto) = upto {
        transaction.execute("DELETE FROM event WHERE delivered IS NOT NULL AND sequence <= ?1", [upto])?;
    }
    Ok(())
}

/// Waiting events that are too old. The wall clock has no say in it: set ten years forward for a minute, it would cost them
/// all. What counts is the service's own life, by the hour.
pub fn drop_aged(
    transaction: &Transaction,
    retention: &Retention,
    weight: &mut Weight,
    life: Duration,
    sequence: i64,
) -> rusqlite::Result<Vec<Loss>> {
    let hour = (life.as_secs() / 3600) as i64;
    transaction.prepare_cached("INSERT OR IGNORE INTO hour VALUES (?1, ?2)")?.execute(params![hour, sequence])?;
    let cut = hour - retention.undelivered.as_secs().div_ceil(3600) as i64;
    let upto: Option<i64> = transaction
        .prepare_cached("SELECT MAX(sequence) FROM hour WHERE hour <= ?1")?
        .query_row([cut], |row| row.get(0))?;
    let Some(upto) = upto else { return Ok(Vec::new()) };
    transaction.execute("DELETE FROM hour WHERE hour < ?1", [cut])?;
    let mut losses = Vec::new();
    for class in [Class::Ordinary, Class::Alarm] {
        let mut more = |sequence: i64, _: u64| sequence <= upto;
        losses.extend(drop_oldest(transaction, class, LossReason::Age, weight, &mut more)?);
    }
    Ok(losses)
}

pub fn drop_excess(transaction: &Transaction, most: u64, weight: &mut Weight) -> rusqlite::Result<Vec<Loss>> {
    let (ordinary_most, step) = (most - most / ALARMS_PART, most / AT_ONCE);
    let mut losses = Vec::new();
    let Weight { ordinary, alarms, .. } = *weight;
    if ordinary > ordinary_most || ordinary + alarms > most {
        let target = (ordinary_most - step).min((most - step).saturating_sub(alarms));
        let mut more = |_: i64, left: u64| left > target;
        losses.extend(drop_oldest(transaction, Class::Ordinary, LossReason::Quota, weight, &mut more)?);
    }
    if weight.ordinary + weight.alarms > most {
        let target = (most - step).saturating_sub(weight.ordinary);
        let mut more = |_: i64, left: u64| left > target;
        losses.extend(drop_oldest(transaction, Class::Alarm, LossReason::Quota, weight, &mut more)?);
    }
    Ok(losses)
}

/// Deletes waiting events of a class, but none that tells of a loss: oldest first, while `more(its number, bytes of the class left)` holds.
fn drop_oldest(
    transaction: &Transaction,
    class: Class,
    reason: LossReason,
    weight: &mut Weight,
    more: &mut dyn FnMut(i64, u64) -> bool,
) -> rusqlite::Result<Option<Loss>> {
    let mut loss: Option<Loss> = None;
    let alarm = i64::from(class == Class::Alarm);
    {
        let mut statement = transaction.prepare_cached(
            "SELECT sequence, recorded, camera, LENGTH(payload) FROM event INDEXED BY unsent
             WHERE delivered IS NULL AND alarm = ?1 AND type <> 'node.data_loss' ORDER BY sequence",
        )?;
        let mut rows = statement.query([alarm])?;
        while let Some(row) = rows.next()? {
            let (sequence, recorded, bytes): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let left = weight.waiting(class);
            if !more(sequence, *left) {
                break;
            }
            *left = left.saturating_sub(bytes.unsigned_abs());
            let at = Timestamp::from_microsecond(recorded).unwrap_or_default();
            let camera: String = row.get(2)?;
            loss.get_or_insert_with(|| Loss::new(reason, Some(class), at)).add(&camera, Some(sequence), at);
        }
    }
    if let Some(upto) = loss.as_ref().and_then(|loss| loss.last) {
        transaction.execute(
            "DELETE FROM event
             WHERE delivered IS NULL AND alarm = ?1 AND sequence <= ?2 AND type <> 'node.data_loss'",
            params![alarm, upto],
        )?;
    }
    Ok(loss)
}

//! A building's face as a function of the place on it: floors, windows, balconies with rails, air conditioners, pipes, tiles and
//! dirt; and what stands around it: sky with clouds, a second building, the ground.

use serde::{Deserialize, Serialize};

use super::camera::{Vec3, View, along, length};
use crate::base::random::{Random, fractal, lattice, noise};

/// What covers the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cladding {
    Brick,
    Tile,
    Plaster,
    Panel,
}

/// One column of windows; columns repeat.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Bay {
    /// Metres.
    pub window_width: f64,
    pub window_height: f64,
    /// Above the slab.
    pub sill: f64,
    pub panes: u32,
    pub balcony: bool,
}

/// Floors and columns are counted from 1. The sill of floor f lies `base + (f - 1) * floor_height + sill` metres up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Facade {
    pub floors: u32,
    pub columns: u32,
    pub floor_height: f64,
    pub column_width: f64,
    /// Height of the first floor's slab.
    pub base: f64,
    /// X of the left edge of column 1.
    pub left: f64,
    /// Z of balcony rails.
    pub rail_depth: f64,
    /// Rails are panels, else bars.
    pub solid_rails: bool,
    pub cladding: Cladding,
    /// 0..1, of the wall.
    pub albedo: f64,
    pub bays: Vec<Bay>,
    /// Share of windows with an air conditioner.
    pub air_conditioners: f64,
    /// Pipes every so many columns, 0 for none.
    pub pipes: u32,
    /// How much light glass mirrors, 0..1.
    pub gloss: f64,
    pub second_building: bool,
    pub seed: u64,
}

/// Z of the front of air conditioners.
pub const CONDITIONER_DEPTH: f64 = 0.45;

/// What a pixel of the background is, for what moves before or behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    Wall = 0,
    /// Front of a balcony, hides what is behind its rail.
    Balcony = 1,
    Conditioner = 2,
    Glass = 3,
    Sky = 4,
    Ground = 5,
}

/// What a ray hits.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    pub part: Part,
    /// 0..1; for the sky its light.
    pub albedo: f64,
    /// Light that it gives itself.
    pub glow: f64,
    /// Of blue and of red chroma, -1..1.
    pub tint: [f64; 2],
    /// Metres above the ground.
    pub height: f64,
}

/// How bright things are, in linear light.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Light {
    pub night: bool,
    /// Infrared picture at night: grey, lit from the camera.
    pub infrared: bool,
    /// Light of a white surface on the facade far from lamps.
    pub ambient: f64,
    /// Further light of street lamps at the ground, dies off over `lamp_reach` metres.
    pub lamps: f64,
    pub lamp_reach: f64,
    pub sky: f64,
    pub clouds: f64,
    /// Share of lit windows.
    pub lit: f64,
}

impl Light {
    /// On a surface `height` metres up.
    pub fn at(&self, height: f64) -> f64 {
        self.ambient + self.lamps * (-height.max(0.0) / self.lamp_reach).exp()
    }
}

impl Facade {
    pub fn draw(random: &mut Random) -> Facade {
        let floors = random.int(8, 33) as u32;
        let floor_height = random.range(2.8, 3.3);
        let column_width = random.range(2.6, 4.4);
        let columns = random.int(6, 16) as u32;
        let bay = |random: &mut Random| {
            let window_width = (column_width * random.range(0.3, 0.75)).min(column_width - 0.5);
            Bay {
                window_width,
                window_height: random.range(1.1, 1.7),
                sill: random.range(0.75, 1.05),
                panes: random.int(1, 3) as u32,
                balcony: random.chance(0.35),
            }
        };
        let bays = (0..random.int(1, 4)).map(|_| bay(random)).collect();
        Facade {
            floors,
            columns,
            floor_height,
            column_width,
            base: if random.chance(0.3) { random.range(1.0, 4.5) } else { random.range(0.0, 0.5) },
            left: -f64::from(columns) * column_width / 2.0 + random.normal(2.0),
            rail_depth: random.range(0.9, 1.5),
            solid_rails: random.chance(0.55),
            cladding: *random.pick(&[Cladding::Brick, Cladding::Tile, Cladding::Plaster, Cladding::Panel]),
            albedo: random.range(0.25, 0.75),
            bays,
            air_conditioners: random.range(0.1, 0.7),
            pipes: *random.pick(&[0, 2, 3, 4]),
            gloss: random.range(0.15, 0.6),
            second_building: random.chance(0.5),
            seed: random.bits() >> 12,
        }
    }

    pub fn right(&self) -> f64 {
        self.left + f64::from(self.columns) * self.column_width
    }

    pub fn roof(&self) -> f64 {
        self.base + f64::from(self.floors) * self.floor_height + 1.2
    }

    pub fn bay(&self, column: u32) -> &Bay {
        &self.bays[(column as usize - 1) % self.bays.len()]
    }

    /// The window of a cell: left, bottom, right, top on the plane Z = 0, metres.
    pub fn window(&self, floor: u32, column: u32) -> [f64; 4] {
        let bay = self.bay(column);
        let middle = self.left + (f64::from(column) - 0.5) * self.column_width;
        let sill = self.base + f64::from(floor - 1) * self.floor_height + bay.sill;
        [middle - bay.window_width / 2.0, sill, middle + bay.window_width / 2.0, sill + bay.window_height]
    }

    /// Floor and column of a place on the plane.
    fn cell(&self, x: f64, y: f64) -> Option<(u32, u32)> {
        let column = ((x - self.left) / self.column_width).floor();
        let floor = ((y - self.base) / self.floor_height).floor();
        let inside =
            column >= 0.0 && column < f64::from(self.columns) && floor >= 0.0 && floor < f64::from(self.floors);
        inside.then(|| (floor as u32 + 1, column as u32 + 1))
    }

    /// 0..1, of a cell.
    fn dice(&self, floor: u32, column: u32, of: u64) -> f64 {
        lattice(self.seed.wrapping_add(of << 32), i64::from(floor), i64::from(column))
    }

    pub fn conditioner(&self, floor: u32, column: u32) -> Option<[f64; 4]> {
        if self.bay(column).balcony || self.dice(floor, column, 1) >= self.air_conditioners {
            return None;
        }
        let [left, bottom, right, _] = self.window(floor, column);
        let x = if self.dice(1, column, 2) < 0.5 { left - 0.1 } else { right - 0.75 };
        Some([x, bottom - 0.75, x + 0.85, bottom - 0.15])
    }

    /// Whether the window is lit at night.
    pub fn lit(&self, floor: u32, column: u32, light: &Light) -> bool {
        light.night && self.dice(floor, column, 3) < light.lit
    }

    /// What the ray from `eye` along `ray` hits.
    pub fn hit(&self, eye: Vec3, ray: Vec3, light: &Light) -> Hit {
        let plane = |z: f64| {
            let k = (z - eye[2]) / ray[2];
            (ray[2] < -1e-9).then(|| along(eye, k, ray))
        };
        if let Some(hit) = plane(self.rail_depth).and_then(|front| self.balcony(front, plane(0.0)?, light)) {
            return hit;
        }
        if let Some(hit) = plane(CONDITIONER_DEPTH).and_then(|front| self.unit(front)) {
            return hit;
        }
        match plane(0.0) {
            Some([x, y, _]) if x > self.left - 0.4 && x < self.right() + 0.4 && y > 0.0 && y < self.roof() => {
                self.wall(x, y, eye, light)
            }
            _ => self.around(eye, ray, light),
        }
    }

    /// Front rail, slab edge and underside of balconies.
    fn balcony(&self, front: Vec3, back: Vec3, _light: &Light) -> Option<Hit> {
        let (floor, column) = self.cell(front[0], front[1] + 0.12)?;
        let slab = self.base + f64::from(floor - 1) * self.floor_height;
        let rise = front[1] - slab;
        let mut hit = Hit { part: Part::Balcony, albedo: 0.0, glow: 0.0, tint: [-0.02, 0.02], height: front[1] };
        let own = self.bay(column).balcony && floor > 1;
        let inside = |x: f64| {
            let local = x - self.left - f64::from(column - 1) * self.column_width;
            local > 0.12 && local < self.column_width - 0.12
        };
        if own && inside(front[0]) && rise < 1.05 {
            let grain = 0.04 * noise(self.seed + 7, front[0] * 9.0, front[1] * 9.0);
            if !(0.05..=0.99).contains(&rise) {
                hit.albedo = 0.85 * self.albedo + 0.1 + grain;
                return Some(hit);
            }
            let bar = (front[0] / 0.13).rem_euclid(1.0) < 0.22;
            if self.solid_rails || bar {
                let shade = if self.solid_rails { 0.65 * self.albedo + 0.12 } else { 0.12 };
                hit.albedo = shade + grain + 0.08 * (self.dice(floor, column, 9) - 0.5);
                return Some(hit);
            }
        }
        // From below one looks at the underside of the slab that the ray passes between rail and wall.
        let (upper, column) = self.cell(front[0].midpoint(back[0]), back[1] - 0.05)?;
        let under = self.base + f64::from(upper - 1) * self.floor_height - 0.12;
        if upper > 1 && self.bay(column).balcony && front[1] < under && back[1] > under {
            let depth = (back[1] - under) / (back[1] - front[1]).max(1e-6);
            hit.albedo = self.albedo * (0.45 - 0.2 * depth);
            hit.part = Part::Wall;
            return Some(hit);
        }
        None
    }

    fn unit(&self, front: Vec3) -> Option<Hit> {
        // A unit reaches down into the cell below.
        let (floor, column) = self.cell(front[0], front[1])?;
        for floor in [floor, floor + 1] {
            if floor > self.floors {
                continue;
            }
            let Some([left, bottom, right, top]) = self.conditioner(floor, column) else { continue };
            if front[0] > left && front[0] < right && front[1] > bottom && front[1] < top {
                let (x, y) = ((front[0] - left) / 0.85 - 0.4, (front[1] - bottom) / 0.6 - 0.5);
                let fan = (x * 1.4).hypot(y) < 0.4;
                let louvre = if fan { 0.3 + 0.1 * (y * 60.0).sin() } else { 0.62 };
                let age = 0.2 * self.dice(floor, column, 4);
                let albedo = louvre - age;
                return Some(Hit { part: Part::Conditioner, albedo, glow: 0.0, tint: [0.0; 2], height: front[1] });
            }
        }
        None
    }

    fn wall(&self, x: f64, y: f64, eye: Vec3, light: &Light) -> Hit {
        let mut hit = Hit { part: Part::Wall, albedo: self.plain(x, y), glow: 0.0, tint: self.tint(), height: y };
        let Some((floor, column)) = self.cell(x, y) else {
            hit.albedo *= 0.9;
            return hit;
        };
        let local = x - self.left - f64::from(column - 1) * self.column_width;
        if self.pipes > 0 && column.is_multiple_of(self.pipes) && (0.08..0.2).contains(&local) {
            hit.albedo = 0.45 * (1.0 - ((local - 0.14) / 0.06).powi(2) * 0.5);
            return hit;
        }
        let [left, bottom, right, top] = self.window(floor, column);
        let bay = self.bay(column);
        // A balcony has a door: its glass begins near the slab.
        let bottom = if bay.balcony { bottom - bay.sill + 0.1 } else { bottom };
        let (dx, dy) = ((x - left).min(right - x), (y - bottom).min(top - y));
        if dx < -0.08 || dy < -0.12 || (dx < 0.0 && dy < -0.05) {
            // Shadow under the sill and streaks of dirt from its ends.
            if y < bottom && y > bottom - 0.5 && dx > -0.1 {
                let streak = noise(self.seed + 3, x * 5.0, y * 0.6);
                hit.albedo *= 0.93 + 0.1 * streak - 0.06 * f64::from(u8::from(y > bottom - 0.25));
            }
            return hit;
        }
        if dx < 0.0 || dy < 0.0 {
            hit.albedo = if y < bottom { 0.8 * self.albedo + 0.18 } else { 0.75 * self.albedo };
            return hit;
        }
        let pane = (right - left) / f64::from(bay.panes);
        let along_pane = ((x - left) / pane).rem_euclid(1.0) * pane;
        let frame = if self.dice(1, 1, 5) < 0.5 { 0.7 } else { 0.12 };
        if dx < 0.06 || dy < 0.06 || along_pane.min(pane - along_pane) < 0.035 {
            hit.albedo = frame;
            return hit;
        }
        self.glass(hit, [x, y], [left, right, top], (floor, column), eye, light)
    }

    fn glass(
        &self,
        mut hit: Hit,
        [x, y]: [f64; 2],
        [left, right, top]: [f64; 3],
        (floor, column): (u32, u32),
        eye: Vec3,
        light: &Light,
    ) -> Hit {
        hit.part = Part::Glass;
        hit.tint = [0.03, -0.03];
        let curtain = self.dice(floor, column, 6);
        let across = (x - left) / (right - left);
        let drawn = match curtain {
            c if c < 0.3 => across < 0.5 * c + 0.1 || across > 0.9 - 0.4 * c,
            c if c < 0.45 => true,
            _ => false,
        };
        let fold = 0.5 + 0.5 * (x * 40.0 + 3.0 * noise(self.seed, x * 3.0, 0.0)).sin();
        let inner = if drawn { 0.25 + 0.3 * curtain + 0.1 * fold } else { 0.04 + 0.05 * self.dice(floor, column, 7) };
        // Glass mirrors the sky, more the steeper it is looked up to, in patches of clouds and other houses.
        let steep = ((y - eye[1]) / (eye[2] + (y - eye[1]).abs())).clamp(0.0, 1.0);
        let mirror = 0.5 + 0.5 * fractal(self.seed + 11, x * 0.12 + f64::from(column), y * 0.12, 3);
        let tilt = 0.7 + 0.6 * self.dice(floor, column, 8);
        hit.albedo = inner * 0.7 + self.gloss * (0.25 + steep) * mirror * tilt * if light.night { 0.15 } else { 1.0 };
        if self.lit(floor, column, light) {
            let lamp = 0.6 + 0.4 * (top - y).min(1.0);
            let strength = 0.12 + 0.55 * self.dice(floor, column, 10).powi(2);
            hit.glow = strength * lamp * if drawn { 0.55 + 0.2 * fold } else { 1.0 };
            hit.tint = [-0.12, 0.06];
        }
        hit
    }

    fn tint(&self) -> [f64; 2] {
        match self.cladding {
            Cladding::Brick => [-0.07, 0.09],
            Cladding::Tile => [-0.03, 0.03],
            Cladding::Plaster => [-0.04, 0.02],
            Cladding::Panel => [0.01, 0.0],
        }
    }

    /// The wall without windows.
    fn plain(&self, x: f64, y: f64) -> f64 {
        let weather =
            0.06 * fractal(self.seed + 1, x * 0.25, y * 0.12, 4) + 0.03 * noise(self.seed + 2, x * 3.0, y * 0.7);
        let fine = 0.035 * noise(self.seed + 4, x * 21.0, y * 21.0);
        let grid = |w: f64, h: f64, offset: bool| {
            let row = (y / h).floor();
            let shifted = x / w + if offset && row.rem_euclid(2.0) == 1.0 { 0.5 } else { 0.0 };
            let joint = shifted.rem_euclid(1.0) * w < 0.012 || (y / h).rem_euclid(1.0) * h < 0.012;
            let stone = lattice(self.seed + 5, shifted.floor() as i64, row as i64) - 0.5;
            if joint { -0.12 } else { 0.16 * stone }
        };
        let pattern = match self.cladding {
            Cladding::Brick => grid(0.25, 0.08, true),
            Cladding::Tile => grid(0.2, 0.1, false),
            Cladding::Plaster => 0.02 * noise(self.seed + 6, x * 8.0, y * 8.0),
            Cladding::Panel => {
                let (w, h) = (self.column_width / 2.0, self.floor_height / 2.0);
                let joint = (x / w).rem_euclid(1.0) * w < 0.03 || (y / h).rem_euclid(1.0) * h < 0.03;
                if joint { -0.18 } else { 0.0 }
            }
        };
        // Every floor ends in a band.
        let in_floor = (y - self.base).rem_euclid(self.floor_height);
        let band = if in_floor < 0.12 && y > self.base { -0.07 } else { 0.0 };
        (self.albedo * (1.0 + weather * 2.0 + pattern + band + fine)).clamp(0.03, 0.95)
    }

    /// Beside and above the building, and the ground before it.
    fn around(&self, eye: Vec3, ray: Vec3, light: &Light) -> Hit {
        if ray[1] < -1e-6 {
            let k = -eye[1] / ray[1];
            let [x, _, z] = along(eye, k, ray);
            if z > -60.0 {
                let kerb = z > 3.0 && z < 3.25;
                let path = z < 3.0;
                let albedo = if kerb {
                    0.5
                } else if path {
                    0.32
                } else {
                    0.16
                } + 0.04 * fractal(self.seed + 20, x * 2.0, z * 2.0, 3);
                return Hit { part: Part::Ground, albedo, glow: 0.0, tint: [0.0; 2], height: 0.0 };
            }
        }
        if self.second_building && ray[2] < -1e-6 {
            let [x, y, _] = along(eye, (-35.0 - eye[2]) / ray[2], ray);
            let tall = 20.0 + 60.0 * self.dice(0, 0, 12);
            if y > 0.0 && y < tall && (x - self.left).abs() < 40.0 + 30.0 * self.dice(0, 0, 13) {
                let (u, v) = ((x / 3.3).rem_euclid(1.0), (y / 3.0).rem_euclid(1.0));
                let window = (0.25..0.75).contains(&u) && (0.3..0.8).contains(&v);
                let lit =
                    light.night && window && lattice(self.seed + 14, (x / 3.3) as i64, (y / 3.0) as i64) < light.lit;
                let albedo = if window { 0.12 } else { 0.45 + 0.05 * noise(self.seed + 15, x, y) };
                let glow = if lit { 0.25 } else { 0.0 };
                return Hit { part: Part::Wall, albedo: albedo * 0.85 + 0.08, glow, tint: [0.02, -0.01], height: y };
            }
        }
        let n = length(ray);
        let up = (ray[1] / n).max(0.02);
        let cloud = fractal(self.seed + 16, ray[0] / n / up * 1.5, ray[2] / n / up * 1.5, 5);
        let cover = (0.5 + 1.6 * (cloud + light.clouds - 0.5)).clamp(0.0, 1.0);
        let blue = 0.75 - 0.25 * up;
        let albedo = light.sky * (blue + (1.0 - blue) * cover);
        Hit { part: Part::Sky, albedo, glow: 0.0, tint: [0.16 * (1.0 - cover), -0.09 * (1.0 - cover)], height: 0.0 }
    }
}

/// Linear light of a hit.
pub fn shade(hit: &Hit, light: &Light) -> f64 {
    match hit.part {
        Part::Sky => hit.albedo,
        _ => hit.albedo * light.at(hit.height) + hit.glow,
    }
}

/// Cells whose windows lie in the picture with some margin: floor, column.
pub fn cells_in_view(facade: &Facade, view: &View) -> Vec<(u32, u32)> {
    let all = (1..=facade.floors).flat_map(|floor| (1..=facade.columns).map(move |column| (floor, column)));
    let seen = |&(floor, column): &(u32, u32)| {
        let [left, bottom, right, top] = facade.window(floor, column);
        [[left, bottom], [right, top]]
            .iter()
            .all(|[x, y]| view.project([*x, *y, 0.0]).is_some_and(|at| view.holds(at, 3.0)))
    };
    all.filter(seen).collect()
}

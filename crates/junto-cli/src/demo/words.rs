//! Words that the demo's rows are made of. The first of a list are the frequent ones where the draw is skewed.

pub(super) const FIRST_NAMES: [&str; 40] = [
    "Ada",
    "Grace",
    "Edsger",
    "Barbara",
    "Donald",
    "Frances",
    "Ken",
    "Margaret",
    "Dennis",
    "Radia",
    "Alan",
    "Katherine",
    "Niklaus",
    "Hedy",
    "Tim",
    "Shafi",
    "Edgar",
    "Jean",
    "Jim",
    "Karen",
    "Michael",
    "Leslie",
    "Butler",
    "Mary",
    "John",
    "Dorothy",
    "Linus",
    "Sophie",
    "Bjarne",
    "Evelyn",
    "James",
    "Annie",
    "Guido",
    "Joan",
    "Larry",
    "Lynn",
    "Brian",
    "Susan",
    "Rob",
    "Anita",
];

pub(super) const LAST_NAMES: [&str; 48] = [
    "Lovelace",
    "Hopper",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Allen",
    "Thompson",
    "Hamilton",
    "Ritchie",
    "Perlman",
    "Turing",
    "Johnson",
    "Wirth",
    "Lamarr",
    "Berners",
    "Goldwasser",
    "Codd",
    "Bartik",
    "Gray",
    "Spärck Jones",
    "Stonebraker",
    "Lamport",
    "Lampson",
    "Jackson",
    "McCarthy",
    "Vaughan",
    "Torvalds",
    "Wilson",
    "Stroustrup",
    "Boyd",
    "Gosling",
    "Easley",
    "Rossum",
    "Clarke",
    "Wall",
    "Conway",
    "Kernighan",
    "Kare",
    "Pike",
    "Borg",
    "O'Neil",
    "Bachman",
    "Chen",
    "Ullman",
    "Selinger",
    "Astrahan",
    "Chamberlin",
    "Boyce",
];

/// Country, its main city.
pub(super) const PLACES: [(&str, &str); 12] = [
    ("Germany", "Berlin"),
    ("United States", "Boston"),
    ("France", "Lyon"),
    ("United Kingdom", "Leeds"),
    ("Netherlands", "Utrecht"),
    ("Spain", "Sevilla"),
    ("Poland", "Kraków"),
    ("Japan", "Osaka"),
    ("Brazil", "Recife"),
    ("Kenya", "Nairobi"),
    ("Norway", "Bergen"),
    ("Iceland", "Akureyri"),
];

/// Category, things in it, lowest price in cents.
pub(super) const CATEGORIES: [(&str, [&str; 5], i64); 6] = [
    ("Coffee", ["Espresso beans", "Filter beans", "Hand grinder", "Kettle", "Press"], 690),
    ("Books", ["Notebook", "Atlas", "Cookbook", "Dictionary", "Field guide"], 890),
    ("Kitchen", ["Chef's knife", "Cutting board", "Cast-iron pan", "Scale", "Mortar"], 1_990),
    ("Garden", ["Secateurs", "Watering can", "Seed box", "Spade", "Gloves"], 590),
    ("Audio", ["Headphones", "Turntable", "Radio", "Speaker", "Cable"], 2_490),
    ("Bicycles", ["Lamp", "Lock", "Saddle", "Pump", "Basket"], 1_490),
];

pub(super) const ADJECTIVES: [&str; 14] = [
    "Plain", "Small", "Large", "Light", "Heavy", "Red", "Blue", "Classic", "Folding", "Quiet", "Copper", "Oak",
    "Steel", "Travel",
];

pub(super) const INDUSTRIES: [&str; 8] =
    ["Retail", "Software", "Hospitality", "Education", "Manufacturing", "Health", "Logistics", "Public service"];

pub(super) const COMPANY_ENDINGS: [&str; 5] = ["Ltd", "GmbH", "Inc", "& Co", "Works"];

pub(super) const ROLES: [&str; 5] = ["buyer", "owner", "assistant", "accountant", "manager"];

pub(super) const SUBJECTS: [&str; 8] = [
    "Parcel is late",
    "Wrong item",
    "Invoice address",
    "Return",
    "Damaged on arrival",
    "Voucher does not work",
    "Change of order",
    "Question about a product",
];

/// Code, name, channel.
pub(super) const CAMPAIGNS: [(&str, &str, &str); 12] = [
    ("direct", "No campaign", "none"),
    ("spring24", "Spring 2024", "mail"),
    ("search", "Search ads", "search"),
    ("coffee", "Coffee lovers", "social"),
    ("newsletter", "Monthly newsletter", "mail"),
    ("bikes", "Back on the bike", "social"),
    ("friends", "Bring a friend", "referral"),
    ("podcast", "Radio hour", "podcast"),
    ("winter24", "Winter 2024", "mail"),
    ("garden25", "Garden 2025", "search"),
    ("poster", "Posters in town", "print"),
    ("fair", "Book fair", "print"),
];

pub(super) const PAGES: [&str; 8] = ["/", "/search", "/product", "/basket", "/checkout", "/help", "/account", "/about"];

pub(super) const METHODS: [&str; 4] = ["card", "bank transfer", "voucher", "cash on delivery"];

pub(super) const TEAMS: [&str; 4] = ["first line", "parcels", "returns", "billing"];

/// What customers write to support.
pub(super) const QUESTIONS: [&str; 6] = [
    "Where is my order?",
    "It arrived broken. What now?",
    "I'd like to send it back.",
    "The address on the invoice is wrong.",
    "Is there any news?",
    "Thank you, that helped.",
];

/// What support writes to customers.
pub(super) const ANSWERS: [&str; 5] = [
    "We are looking into it.",
    "A new one is on its way.",
    "Here is a label for the parcel.",
    "The amount will be back in five days.",
    "Could you send us a photo?",
];

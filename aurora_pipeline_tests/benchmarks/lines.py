"""200 varied advertising lines, 1 to 5 sentences each: the same ones in every run."""

from __future__ import annotations

import random

_OPENINGS = (
    "Meet the kettle that keeps its promise",
    "Your mornings just got easier",
    "Three things changed this week",
    "Here is what nobody tells you about running shoes",
    "We tested it in two hundred kitchens",
    "Stop paying twice for the same coffee",
    "If your back hurts after lunch, listen",
    "This is the last day of the spring sale",
    "Our new plan costs less than a sandwich",
    "I did not believe it either",
    "Delivery is free, and returns are free",
    "The battery lasts eleven days",
    "It fits in a coat pocket",
    "You asked, and we built it",
    "Ask your dentist",
    "One app, every bill, no surprises",
    "Is your password still the name of your dog?",
    "Forty thousand people switched last month",
)
_TURNS = (
    "and it starts at nineteen dollars",
    "so you can sleep",
    "because time is the only thing you cannot buy back",
    "and the first month is on us",
    "with no contract, no cables, and no waiting room",
    "in every colour you can think of",
    "and yes, it is dishwasher safe",
    "made from recycled aluminium in a small town near the sea",
    "which is why four out of five customers stay",
    "and you keep the gift even if you cancel",
)
_CALLS = (
    "Try it today.",
    "Order before Friday!",
    "Link below.",
    "Visit our shop, or just scan the code.",
    "See you there.",
    "What are you waiting for?",
    "Tap to start, it takes about a minute.",
    "Terms apply: eighteen plus, new customers only.",
    "Thank you for watching.",
    "Download the free guide and see for yourself.",
)
COUNT = 200


def lines(count: int = COUNT, *, seed: int = 4) -> list[str]:
    """``count`` lines, no two alike."""
    chance, found = random.Random(seed), dict[str, None]()
    while len(found) < count:
        found[_line(chance)] = None
    return list(found)


def _line(chance: random.Random) -> str:
    sentences = [_sentence(chance) for _ in range(chance.choices([1, 2, 3, 4, 5], [22, 30, 24, 14, 10])[0])]
    if chance.random() < 0.6:
        sentences.append(chance.choice(_CALLS))
    return " ".join(sentences)


def _sentence(chance: random.Random) -> str:
    opening = chance.choice(_OPENINGS)
    if opening.endswith("?") or chance.random() > 0.55:
        return opening if opening.endswith("?") else f"{opening}{chance.choice('..!')}"
    return f"{opening}{chance.choice([', ', ' ', '; '])}{chance.choice(_TURNS)}{chance.choice('..!')}"

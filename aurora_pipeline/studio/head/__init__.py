"""Portrait + audio -> a draft talking head. The studio runs `worker` in a process of its own.

Read it in this order: `lips` (what the mouth does), `motion` (what the head does), `mouth` and `eyes` (patches drawn
from the still), `head` (frames), `render` (the video).
"""

"""Meta-World's scripted policies, recorded as episodes: scenes and motions that nobody here wrote.

Meta-World (Yu et al., 2019, arXiv 1910.10897; Farama-Foundation/Metaworld) is imported only where an episode is played,
since it needs an environment of its own: it pins a MuJoCo that the rest of the workshop does not use.
"""

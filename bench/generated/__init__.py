"""Generated street images without labels: a second training stream for any method (docs/generated_data.md).

`prompts` and `llm` say what is to be seen, `painter` paints it, `folder` keeps the images and opens them as a data set,
`identity` names all that decides them. The three collaborators of CLOUDS (arXiv 2312.09788) that make images stand
behind small doors, each with a real and an embedded side. Importing this room imports no torch.
"""

from bench.generated.identity import folder_name, place, revision

__all__ = ["folder_name", "place", "revision"]

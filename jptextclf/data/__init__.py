"""Data in and out: files of any usual encoding and form -> texts and labels, and tables written back.

Nothing above this package knows in which form a text lay on the disk. Nothing here imports torch.
"""

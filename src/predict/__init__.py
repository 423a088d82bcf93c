"""Answers to raw text: labels, tags, words for masks, answers to questions, vectors."""

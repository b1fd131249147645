"""Writes the engine tests' model: a random llama of two layers whose counts can be checked from outside.

usage: make_model.py OUT.gguf

An engine's token count can be verified by anyone only if text leads back to the tokens it was sampled from. So the
vocabulary is made in two parts. What the model can *say* are single letters and punctuation with no merge between
them: every answer re-tokenises to itself. What a prompt can *contain* is wider: spaces, capitals, digits, a few
Chinese characters, pieces of two and three characters that only exist through merges, and 256 bytes for the rest. The
logits of everything that must not be said are pushed to -40 through one hidden dimension that is constant.
"""

import sys

import gguf
import numpy as np

TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}\n{{ message['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
SAID = list("abcdefghijklmnopqrstuvwxyz.,")
# Later pieces score lower; a merge is taken where its parts meet, best score first, so THE wins over HE and ER.
HEARD = list("\u2581ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=(){}:") + list("你好世界的是") + [
    "TH", "THE", "HE", "ER", "==", "20", "202", "你好", "世界", "\u2581\u2581", "\u2581\u2581\u2581\u2581",
]
LAYERS, WIDTH, HEADS, HIDDEN, CONTEXT = 2, 64, 4, 128, 4096
NEVER, END = -40.0, 1.4  # END: how soon answers end by themselves


def vocabulary():
    kind = gguf.TokenType
    yield "<unk>", 0.0, kind.UNKNOWN
    yield "<s>", 0.0, kind.CONTROL
    yield "</s>", 0.0, kind.CONTROL
    for byte in range(256):
        yield f"<0x{byte:02X}>", 0.0, kind.BYTE
    for rank, piece in enumerate(SAID + HEARD):
        yield piece, -float(rank), kind.NORMAL


def describe(out, tokens):
    out.add_name("sycee-test")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(HIDDEN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_vocab_size(len(tokens))
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    out.add_tokenizer_model("llama")
    out.add_tokenizer_pre("default")
    out.add_token_list([text.encode() for text, _, _ in tokens])
    out.add_token_scores([score for _, score, _ in tokens])
    out.add_token_types([kind for _, _, kind in tokens])
    out.add_unk_token_id(0)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_add_bos_token(False)
    out.add_add_eos_token(False)
    out.add_add_space_prefix(False)
    out.add_chat_template(TEMPLATE)


def weights(out, size):
    draw = np.random.default_rng(20261120)
    embed = draw.standard_normal((size, WIDTH))
    head = draw.standard_normal((size, WIDTH)) * 2 / np.sqrt(WIDTH)
    embed[:, 0], head[:, 0] = 8.0, NEVER  # dimension 0 is the same for every token: a bias for each logit
    said = slice(259, 259 + len(SAID))
    head[said, 0] = 0.0
    head[2, 0] = END
    out.add_tensor("token_embd.weight", embed.astype(np.float16))
    out.add_tensor("output.weight", head.astype(np.float16))
    out.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    shapes = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH),
              "attn_output": (WIDTH, WIDTH), "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH),
              "ffn_down": (WIDTH, HIDDEN)}
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            out.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(WIDTH, np.float32))
        for name, shape in shapes.items():
            matrix = draw.standard_normal(shape) / np.sqrt(shape[-1])
            out.add_tensor(f"blk.{layer}.{name}.weight", matrix.astype(np.float16))


def make(path):
    tokens = list(vocabulary())
    out = gguf.GGUFWriter(path, "llama")
    describe(out, tokens)
    weights(out, len(tokens))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    make(sys.argv[1])

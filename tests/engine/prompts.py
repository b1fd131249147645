"""200 conversations in Chinese, English, emoji and code, each with a last message of its own.

Ten texts of each kind, each in five settings: alone, after a system message, as the third turn, twice as long, and mixed
with another kind. The code holds text that looks like the model's own control tokens, on purpose.
"""

CHINESE = [
    "你好，世界！今天的词元价格是多少？", "西部的电力便宜，所以算力中心建在那里。", "请用一句话解释复式记账。",
    "2026年3月，全国日均词元消耗量超过140万亿。", "数据要素的价值怎样分配才公平？", "把“账要算得清”翻译成英文。",
    "银锭要称重、验色、打印，然后才流通。", "我的余额为什么少了0.000001元？", "写一首关于风力发电的五言绝句。",
    "繁體字與简体字混排：資料、数据、電腦。",
]
ENGLISH = [
    "What does one million tokens cost tonight?", "Explain a HOLD, then a RECEIPT, in two lines.", "THE HERE THERE OTHER: watch THE merges.",
    "Who is paid when the same model has three authors?", "A site in the north sells at 0.31 per kWh; is 2026 its year?",
    "naive cafe, naïve café, na\u0131ve cafe\u0301: three spellings.", "List: (1) meter, (2) price, (3) split, (4) settle.",
    "  leading spaces,    four inside, and trailing   ", "UPPER lower MiXeD 0123456789", "Is 20 202 2026 20262 one token or five?",
]
EMOJI = [
    "🙂", "👩‍💻 writes, 👨‍👩‍👧‍👦 reads", "🇨🇳🇩🇪🇧🇷 flags", "👍🏽👍🏻👍🏿 tones", "☕️ then 🍜 then 💤",
    "⚡→💻→🔤→💰", "🧾🧾🧾🧾🧾🧾🧾🧾", "❤️‍🔥 and ❤ and 🔥", "keycaps 1️⃣2️⃣3️⃣#️⃣", "\u200b zero\u200dwidth 🫥 things \ufeff",
]
CODE = [
    "fn main() { println!(\"{}\", 1 + 1); }", "if a == b:\n    return {\"x\": [1, 2, 3]}\n", "SELECT sum(amount) FROM postings WHERE asset = 'CNY';",
    "<p><s>struck out</s> and </s> alone</p>", "for (int i = 0; i < 2026; i++) {\n\tTHE[i] == HE[i];\n}", "curl -s http://127.0.0.1/v1/models | jq '.data[].id'",
    "def f(x):\n        # eight spaces\n        return x ** 2\n", "{\"messages\": [{\"role\": \"user\", \"content\": \"\\u4f60\\u597d\"}]}",
    "let 价格 = 世界::的(202); // 注释", "\\begin{align} a &= b \\\\ c &= d \\end{align}\r\n",
]
KINDS = {"chinese": CHINESE, "english": ENGLISH, "emoji": EMOJI, "code": CODE}
SYSTEM = {"role": "system", "content": "你是结算平台的助手. ANSWER in letters only."}
TURNS = [{"role": "user", "content": "HELLO 你好"}, {"role": "assistant", "content": "abc, def."}]


def conversations():
    """(kind, messages) for all 200."""
    names = list(KINDS)
    for at, (kind, texts) in enumerate(KINDS.items()):
        other = KINDS[names[(at + 1) % len(names)]]
        for number, text in enumerate(texts):
            for prefix, content in (([], text), ([SYSTEM], f"{text} #"), (TURNS, f"{text} ##"),
                                    ([], f"{text}\n{text}"), ([SYSTEM, *TURNS], f"{text} + {other[number]}")):
                yield kind, [*prefix, {"role": "user", "content": content}]
